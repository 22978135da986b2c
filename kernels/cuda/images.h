/* The kernels: which compiled file holds them (images.c.in embeds one for each .cu: code of every target, and PTX), and how
 * they are launched. */
#ifndef CODEASK_KERNELS_CUDA_IMAGES_H
#define CODEASK_KERNELS_CUDA_IMAGES_H

#define IMAGES(X)                                                                                                      \
    X(attention) X(attention_rows) X(embed) X(matmul) X(matmul_f32) X(norm) X(pool) X(quantize) X(scan)

/* X(file, function, threads of a block, most dynamic shared memory in bytes). To add a kernel: a row. */
#define CUDA_KERNELS(X)                                                                                                \
    X(attention, attention_32, 128, 20480)                                                                             \
    X(attention, attention_64, 128, 40960)                                                                             \
    X(attention, attention_128, 128, 81920)                                                                            \
    X(attention, attention_32_split, 128, 20480)                                                                       \
    X(attention, attention_64_split, 128, 40960)                                                                       \
    X(attention, attention_128_split, 128, 81920)                                                                      \
    X(attention_rows, attention_rows_f32, 128, 0)                                                                      \
    X(attention_rows, attention_rows_bf16, 128, 0)                                                                     \
    X(embed, embed, 256, 0)                                                                                            \
    X(matmul, matmul_large, 256, 49152)                                                                                \
    X(matmul, matmul_small, 128, 24576)                                                                                \
    X(matmul_f32, matmul_f32, 256, 0)                                                                                  \
    X(norm, layernorm, 256, 0)                                                                                         \
    X(pool, pool, 256, 0)                                                                                              \
    X(quantize, quantize, 256, 0)                                                                                      \
    X(scan, scan, 256, 33792)                                                                                          \
    X(scan, scan_merge, 256, 0)

enum cuda_image {
#define X(file) IMAGE_##file,
    IMAGES(X)
#undef X
    IMAGE_COUNT
};

enum cuda_kernel {
#define X(file, function, threads, shared) KERNEL_##function,
    CUDA_KERNELS(X)
#undef X
    KERNEL_COUNT
};

extern const unsigned char *const cuda_images[IMAGE_COUNT]; /* fatbin */

#endif
