// Prints where CuTe's traits say that the elements of a warp's fragments lie; tests/parity/fragments.py says what for.
#include <cute/atom/copy_traits_sm75.hpp>
#include <cute/atom/mma_traits_sm80.hpp>
#include <cstdio>

using namespace cute;

template <class L> static void print(const char *name, const char *operand, L layout, int unit)
{
    int values = int(size<1>(layout)) / unit;
    std::printf("%s %s %d", name, operand, values);
    for (int lane = 0; lane < 32; lane++)
        for (int v = 0; v < values; v++)
            std::printf(" %d", int(layout(lane, v * unit)) / unit);
    std::printf("\n");
}

template <class OP> static void fragments(const char *name)
{
    using T = MMA_Traits<OP>;
    print(name, "a", typename T::ALayout{}, 1);
    print(name, "b", typename T::BLayout{}, 1);
    print(name, "c", typename T::CLayout{}, 1);
}

int main()
{
    fragments<SM80_16x8x16_F32BF16BF16F32_TN>("mma_bf16");
    fragments<SM80_16x8x16_F32F16F16F32_TN>("mma_f16");
    fragments<SM80_16x8x32_S32S8S8S32_TN>("mma_s8");
    print("ldmatrix", "d", typename Copy_Traits<SM75_U32x4_LDSM_N>::DstLayout{}, 16);
    print("ldmatrix_trans", "d", typename Copy_Traits<SM75_U16x8_LDSM_T>::DstLayout{}, 16);
}
