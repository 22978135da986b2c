/* Which instruction is run by what. To add one: a row, and its handler. */
#include "ptx.h"

#include <string.h>

handler ptx_find(const char *base)
{
    static const struct { const char *name; handler run; } rows[] = {
        {"mov", run_mov}, {"add", run_arith}, {"sub", run_arith}, {"mul", run_arith}, {"mad", run_arith}, {"fma", run_arith},
        {"div", run_arith}, {"rem", run_arith}, {"min", run_arith}, {"max", run_arith}, {"neg", run_unary}, {"abs", run_unary},
        {"sqrt", run_unary}, {"rcp", run_unary}, {"rsqrt", run_unary}, {"ex2", run_unary}, {"copysign", run_bits},
        {"and", run_logic}, {"or", run_logic}, {"xor", run_logic}, {"not", run_logic}, {"shl", run_shift}, {"shr", run_shift},
        {"setp", run_setp}, {"selp", run_selp}, {"cvt", run_cvt}, {"brev", run_bits}, {"bfind", run_bits}, {"bfi", run_bits},
        {"prmt", run_prmt}, {"dp4a", run_dp4a}, {"popc", run_bits}, {"clz", run_bits}, {"ld", run_ld}, {"st", run_st}, {"atom", run_atom}, {"red", run_atom}, {"cp", run_cp},
        {"cvta", run_cvta}, {"ldmatrix", run_ldmatrix}, {"mma", run_mma}, {"shfl", run_shfl}, {"vote", run_vote},
        {"bar", run_bar}, {"bra", run_bra}, {"ret", run_ret},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strcmp(rows[i].name, base))
            return rows[i].run;
    return NULL;
}
