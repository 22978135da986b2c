/* An interpreter of the PTX that nvcc makes of kernels/cuda: what the kernels do is tested on machines without a GPU.
 *
 * It is a stand-in for libcuda (driver.c), so the very backend that runs on a GPU runs here. It models what those kernels use
 * and names what it does not. It is stricter than a GPU:
 *   - warps of a block run in a random order, a random number of instructions at a time, blocks in a random order (ptx_seed);
 *   - a register that was never written may not be read, nor shared memory;
 *   - global and shared accesses are checked for bounds and alignment;
 *   - what cp.async copies arrives at its wait, not before; reading it earlier is an error;
 *   - two threads that touch one byte of shared memory without a barrier between them, one of them writing, are an error
 *     (within a warp: without a bar.warp.sync between; a shuffle orders no memory);
 *   - instructions of a whole warp want every lane that they name, barriers every lane of the warp.
 *
 * parse.c text → struct module; launch.c grids, blocks and the scheduler; alu.c, memory.c, warp.c the instructions;
 * image.c finds the PTX in a fatbin. */
#ifndef CODEASK_TESTS_PTX_H
#define CODEASK_TESTS_PTX_H

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LANES 32
#define ALL 0xffffffffu
#define OPERANDS_MAX 16        /* mma: four groups of registers */
#define REGISTERS_MAX 65536    /* of a kernel */
#define INSTRUCTIONS_MAX 65536
#define KERNELS_MAX 64         /* of a module */
#define SYMBOLS_MAX 32         /* shared variables of a module */
#define SHARED_MAX (228 * 1024)
#define SHARED_WINDOW 0x7e0000000000u /* generic addresses of shared memory */

enum ptx_type { T_NONE, T_PRED, T_B8, T_B16, T_B32, T_B64, T_U8, T_U16, T_U32, T_U64, T_S8, T_S16, T_S32, T_S64, T_F32, T_F64, T_BF16X2, T_F16, T_F16X2 };
enum ptx_space { SPACE_GENERIC, SPACE_GLOBAL, SPACE_SHARED, SPACE_PARAM };
enum ptx_compare { CMP_NONE, CMP_EQ, CMP_NE, CMP_LT, CMP_LE, CMP_GT, CMP_GE, CMP_EQU, CMP_NEU, CMP_LTU, CMP_LEU, CMP_GTU, CMP_GEU };
enum ptx_round { ROUND_NONE, ROUND_NEAREST, ROUND_ZERO, ROUND_DOWN, ROUND_UP };
enum ptx_flag { FLAG_WIDE = 1, FLAG_LO = 2, FLAG_HI = 4, FLAG_SAT = 8, FLAG_TRANS = 16, FLAG_SHIFTAMT = 32, FLAG_AND = 64, FLAG_OR = 128,
                FLAG_BFLY = 256, FLAG_UP = 512, FLAG_DOWN = 1024, FLAG_IDX = 2048, FLAG_BALLOT = 4096, FLAG_ADD = 8192, FLAG_APPROX = 16384,
                FLAG_TO = 32768, FLAG_X4 = 65536, FLAG_X2 = 1 << 17, FLAG_X1 = 1 << 18, FLAG_ANY = 1 << 19, FLAG_EVERY = 1 << 20,
                FLAG_COMMIT = 1 << 21, FLAG_WAIT = 1 << 22, FLAG_WARP = 1 << 23, FLAG_CG = 1 << 24, FLAG_K32 = 1 << 25, FLAG_XOR = 1 << 26,
                FLAG_HALF = 1 << 27 /* f16 among the types */ };

enum operand_kind { OPERAND_REGISTER, OPERAND_VALUE, OPERAND_SPECIAL };
enum special { TID_X, TID_Y, TID_Z, NTID_X, NTID_Y, NTID_Z, CTAID_X, CTAID_Y, CTAID_Z, NCTAID_X, NCTAID_Y, NCTAID_Z, LANEID };

struct operand {
    uint8_t kind;
    bool negated;    /* !%p */
    bool address;    /* [register + value] */
    uint32_t reg;    /* register, or special */
    uint64_t value;  /* immediate, offset, or a symbol's place */
};

struct warp;
struct ins;
typedef void (*handler)(struct warp *w, const struct ins *i, uint32_t mask);

struct ins {
    handler run;
    char name[16]; /* its first words, cut off */
    uint8_t type, from, space, compare, round, vector, count; /* from: the second type of cvt; vector: v2, v4 */
    uint8_t first_group, last_group;  /* elements of a {…} that is the first or the last operand; 0: none */
    uint32_t flags;
    int32_t guard; /* predicate register, -1: none */
    bool guard_negated;
    int32_t target; /* of bra */
    uint32_t line;
    struct operand op[OPERANDS_MAX];
};

struct kernel {
    char name[64];
    struct ins *ins;
    uint32_t count, registers, params; /* params: bytes */
    uint32_t most_dynamic;             /* cuFuncSetAttribute */
    struct module *module;
};

struct symbol {
    char name[160]; /* mangled */
    uint32_t at, bytes;
};

struct module {
    char *text;
    struct kernel kernel[KERNELS_MAX];
    uint32_t kernels;
    struct symbol symbol[SYMBOLS_MAX];
    uint32_t symbols, shared; /* bytes of static shared memory; the dynamic begins there, rounded up to 128 */
};

/* false: message says what and where. */
bool ptx_parse(struct module *m, const char *text, size_t len, char message[400]);
void ptx_module_free(struct module *m);
/* The handler of an instruction's first word; NULL: not modelled. */
handler ptx_find(const char *base);
/* The PTX in an image as cuModuleLoadData takes it (fatbin, or text); NULL: none. */
const char *ptx_in_image(const void *image, size_t *len);

/* Global memory: what cuMemAlloc gave out. Addresses are those of this process. */
void *global_alloc(size_t bytes);
bool global_free(void *p);
size_t global_size(void *p); /* of an allocation; 0: none begins there */
size_t global_bytes(void);   /* of all */
/* NULL: bytes at address are not all inside one allocation. */
void *global_at(uint64_t address, size_t bytes);

/* One byte of shared memory: who touched it last, and when. Times count barriers. */
struct shadow {
    uint32_t write_block, write_warp, read_block, read_warp;
    uint16_t writer, reader; /* thread + 1; 0: nobody; reader also: LANES_OF + warp, MANY */
    uint16_t flying;         /* async copies on their way to it */
    uint32_t written;        /* the serial number of the block that has written it */
};
#define MANY 0xffff
#define LANES_OF 0x8000 /* and a warp's number: several lanes of it */

struct copy { /* of cp.async */
    const void *from;
    uint32_t to, bytes, size; /* bytes from memory, zeros up to size */
    uint32_t group;
    uint32_t line;
};
#define COPIES_MAX 512 /* of a thread, not landed */

struct thread {
    struct copy copy[COPIES_MAX];
    uint32_t copies, group; /* group: the one that is open */
};

struct block {
    const struct kernel *kernel;
    const uint8_t *params;
    uint32_t grid[3], at[3], threads[3], thread_count;
    uint8_t *shared;
    struct shadow *shadow;
    uint32_t shared_bytes;
    uint32_t time;   /* block barriers passed, by all blocks so far: what an earlier block left is never of now */
    uint32_t serial; /* of the block that runs, from 1 */
    struct warp *warp;
    uint32_t warps;
    struct thread *thread;
    jmp_buf *fault;
    char *message; /* [400] */
};

struct group { /* lanes that stand at one instruction */
    uint32_t pc, mask;
};

struct warp {
    struct block *block;
    uint32_t number, alive, time; /* time: bar.warp.sync passed */
    struct group group[LANES];    /* the first is the one that runs: it stands at the least pc */
    uint32_t groups;
    bool waits; /* at a barrier of the block */
    uint64_t (*reg)[LANES];
    uint32_t *written; /* a bit for each lane of each register */
    uint32_t line;
};

/* Ends the launch with an error. */
_Noreturn void fault(struct warp *w, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The operand's 32 values (room is used where it is not a register). */
const uint64_t *value(struct warp *w, const struct operand *o, uint32_t mask, uint64_t room[LANES]);
/* The operand's register to write, its lanes of mask counted as written. */
uint64_t *target(struct warp *w, const struct operand *o, uint32_t mask);

/* Runs a grid; false: message says why. */
bool ptx_launch(const struct kernel *k, const uint32_t grid[3], const uint32_t threads[3], uint32_t dynamic, const void *params,
                char message[400]);
/* For tests. Another seed is another order of warps and blocks. */
void ptx_seed(uint64_t seed);
/* From now on modules are loaded with the nth occurrence (from 1; 0: all) of `from` in that kernel replaced; kernel NULL: no
 * replacement any more. */
void ptx_patch(const char *kernel, const char *from, const char *to, int nth);
int ptx_patched(void);           /* replacements made since ptx_patch */
uint64_t ptx_memory_calls(void); /* that took or gave back memory of the device or pinned memory */
uint64_t ptx_waits(void);        /* of the host for a stream */
uint64_t ptx_launches(void);     /* of kernels, one by one */
uint64_t ptx_replays(void);      /* of graphs */
uint64_t ptx_instructions(void); /* warp instructions run since the start */

void shared_write(struct warp *w, uint32_t lane, uint32_t at, const void *from, uint32_t bytes);
void shared_read(struct warp *w, uint32_t lane, uint32_t at, void *to, uint32_t bytes);
void copies_land(struct warp *w, uint32_t lane, uint32_t keep); /* all groups but the newest `keep` */

#define EACH(l, mask) for (uint32_t l = 0; l < LANES; l++) if ((mask) >> l & 1)

/* The instructions, by the file that holds them. */
float float_of_f16(uint32_t half);
void run_mov(struct warp *, const struct ins *, uint32_t);
void run_arith(struct warp *, const struct ins *, uint32_t);
void run_unary(struct warp *, const struct ins *, uint32_t);
void run_logic(struct warp *, const struct ins *, uint32_t);
void run_shift(struct warp *, const struct ins *, uint32_t);
void run_setp(struct warp *, const struct ins *, uint32_t);
void run_selp(struct warp *, const struct ins *, uint32_t);
void run_cvt(struct warp *, const struct ins *, uint32_t);
void run_bits(struct warp *, const struct ins *, uint32_t);
void run_prmt(struct warp *, const struct ins *, uint32_t);
void run_dp4a(struct warp *, const struct ins *, uint32_t);
void run_ld(struct warp *, const struct ins *, uint32_t);
void run_st(struct warp *, const struct ins *, uint32_t);
void run_atom(struct warp *, const struct ins *, uint32_t);
void run_cp(struct warp *, const struct ins *, uint32_t);
void run_cvta(struct warp *, const struct ins *, uint32_t);
void run_ldmatrix(struct warp *, const struct ins *, uint32_t);
void run_mma(struct warp *, const struct ins *, uint32_t);
void run_shfl(struct warp *, const struct ins *, uint32_t);
void run_vote(struct warp *, const struct ins *, uint32_t);
void run_bar(struct warp *, const struct ins *, uint32_t);
void run_bra(struct warp *, const struct ins *, uint32_t);
void run_ret(struct warp *, const struct ins *, uint32_t);

#endif
