// What every file that Highway compiles once per instruction set includes first.
#pragma once

// Vectors of the Scalable Vector Extension have no size, so they cannot be members of the structs used here;
// processors that have it run the NEON code.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
