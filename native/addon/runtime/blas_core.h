// Makes OpenBLAS use kernels that fit the processor where it did not recognise it.
#pragma once

namespace prompt_attention {

// OpenBLAS older than the processor falls back to kernels without AVX, a fraction of its speed. If it did so
// and the user has not set OPENBLAS_CORETYPE, it is started anew with the kernels of the widest instruction
// set. Works once per process; call it before any other use of OpenBLAS. Does nothing with builds of one
// kernel set.
void chooseBlasCore();

}  // namespace prompt_attention
