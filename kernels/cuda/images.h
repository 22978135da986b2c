/* The kernels: which compiled file holds them (images.c.in embeds one for each .cu: code of every target, and PTX), and how
 * they are launched. */
#ifndef CODEASK_KERNELS_CUDA_IMAGES_H
#define CODEASK_KERNELS_CUDA_IMAGES_H

#define IMAGES(X)                                                                                                      \
    X(attend) X(attend_tile) X(attention) X(attention_rows) X(delta) X(draw) X(embed) X(held) X(matmul) X(matmul_any) X(matmul_f32) X(matmul_held) \
    X(matvec) X(matvec_more) X(norm) X(pool) X(prepare) X(probe) X(quantize) X(route) X(scan) X(small)

/* X(file, function, threads of a block, most dynamic shared memory in bytes). To add a kernel: a row. */
#define CUDA_KERNELS(X)                                                                                                \
    X(attend, attend_f32, 128, 65536)                                                                                  \
    X(attend, attend_f16, 128, 65536)                                                                                  \
    X(attend, attend_q8, 128, 65536)                                                                                   \
    X(attend, attend_join, 128, 0)                                                                                     \
    X(attend_tile, attend_tile_64, 128, 16384)                                                                         \
    X(attend_tile, attend_tile_128, 128, 32768)                                                                        \
    X(attention, attention_32, 128, 16384)                                                                             \
    X(attention, attention_64, 128, 32768)                                                                             \
    X(attention, attention_128, 128, 32768)                                                                            \
    X(attention, attention_32_split, 128, 16384)                                                                       \
    X(attention, attention_64_split, 128, 32768)                                                                       \
    X(attention, attention_128_split, 128, 32768)                                                                      \
    X(attention_rows, attention_rows_f32, 128, 0)                                                                      \
    X(attention_rows, attention_rows_bf16, 128, 0)                                                                     \
    X(delta, delta_conv, 128, 0)                                                                                       \
    X(delta, delta_heads, 128, 12288)                                                                                  \
    X(draw, draw, 1024, 0)                                                                                             \
    X(embed, embed, 256, 0)                                                                                            \
    X(held, embed_rows, 64, 0)                                                                                         \
    X(held, matmul_held_f32, 128, 0)                                                                                   \
    X(matmul, matmul_large, 256, 49152)                                                                                \
    X(matmul, matmul_small, 128, 24576)                                                                                \
    X(matmul_f32, matmul_f32, 256, 0)                                                                                  \
    X(matmul_held, matmul_f16_large, 256, 40960)                                                                       \
    X(matmul_held, matmul_f16_small, 128, 20480)                                                                       \
    X(matmul_held, matmul_q8_large, 256, 40960)                                                                        \
    X(matmul_held, matmul_q8_small, 128, 20480)                                                                        \
    X(matmul_held, matmul_q4_k_large, 256, 40960)                                                                      \
    X(matmul_held, matmul_q4_k_small, 128, 20480)                                                                      \
    X(matmul_held, matmul_q6_k_large, 256, 40960)                                                                      \
    X(matmul_held, matmul_q6_k_small, 128, 20480)                                                                      \
    X(matmul_any, matmul_any_large, 256, 40960)                                                                        \
    X(matmul_any, matmul_any_small, 128, 20480)                                                                        \
    X(norm, layernorm, 256, 0)                                                                                         \
    X(norm, norm_wide, 256, 0)                                                                                         \
    X(pool, pool, 256, 0)                                                                                              \
    X(prepare, prepare, 256, 0)                                                                                        \
    X(probe, probe, 256, 0)                                                                                            \
    X(quantize, quantize, 256, 0)                                                                                      \
    X(route, route_choose, 32, 0)                                                                                      \
    X(route, route_sort, 1024, 0)                                                                                      \
    X(scan, scan, 256, 33792)                                                                                          \
    X(scan, scan_merge, 256, 0)                                                                                        \
    X(small, add, 256, 0)                                                                                              \
    X(small, columns, 256, 0)                                                                                          \
    X(small, combine, 256, 0)                                                                                          \
    X(small, gather, 256, 0)                                                                                           \
    X(small, glu, 256, 0)                                                                                              \
    X(small, softcap, 256, 0)                                                                                          \
    MATVEC_KERNELS(X)

/* For each type of weights (enum type of backend.h) a kernel for one row and one for up to eight. X2(file, type, name) */
#define MATVEC_TYPES(X2)                                                                                               \
    X2(matvec, BF16, bf16) X2(matvec, F16, f16) X2(matvec, Q8, q8) X2(matvec, Q4_K, q4_k) X2(matvec, Q6_K, q6_k)       \
    X2(matvec_more, Q4_0, q4_0) X2(matvec_more, Q4_1, q4_1) X2(matvec_more, Q5_0, q5_0) X2(matvec_more, Q5_1, q5_1)    \
    X2(matvec_more, Q5_K, q5_k) X2(matvec_more, IQ4_NL, iq4_nl) X2(matvec_more, IQ4_XS, iq4_xs)                        \
    X2(matvec_more, MXFP4, mxfp4) X2(matvec_more, NVFP4, nvfp4)
#define MATVEC_KERNELS(X)                                                                                              \
    X(matvec, matvec_bf16_1, 128, 0) X(matvec, matvec_bf16_8, 128, 0)                                                  \
    X(matvec, matvec_f16_1, 128, 0) X(matvec, matvec_f16_8, 128, 0)                                                    \
    X(matvec, matvec_q8_1, 128, 0) X(matvec, matvec_q8_8, 128, 0)                                                      \
    X(matvec, matvec_q4_k_1, 128, 0) X(matvec, matvec_q4_k_8, 128, 0)                                                  \
    X(matvec, matvec_q6_k_1, 128, 0) X(matvec, matvec_q6_k_8, 128, 0)                                                  \
    X(matvec_more, matvec_q4_0_1, 128, 0) X(matvec_more, matvec_q4_0_8, 128, 0)                                        \
    X(matvec_more, matvec_q4_1_1, 128, 0) X(matvec_more, matvec_q4_1_8, 128, 0)                                        \
    X(matvec_more, matvec_q5_0_1, 128, 0) X(matvec_more, matvec_q5_0_8, 128, 0)                                        \
    X(matvec_more, matvec_q5_1_1, 128, 0) X(matvec_more, matvec_q5_1_8, 128, 0)                                        \
    X(matvec_more, matvec_q5_k_1, 128, 0) X(matvec_more, matvec_q5_k_8, 128, 0)                                        \
    X(matvec_more, matvec_iq4_nl_1, 128, 0) X(matvec_more, matvec_iq4_nl_8, 128, 0)                                    \
    X(matvec_more, matvec_iq4_xs_1, 128, 0) X(matvec_more, matvec_iq4_xs_8, 128, 0)                                    \
    X(matvec_more, matvec_mxfp4_1, 128, 0) X(matvec_more, matvec_mxfp4_8, 128, 0)                                      \
    X(matvec_more, matvec_nvfp4_1, 128, 0) X(matvec_more, matvec_nvfp4_8, 128, 0)

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
