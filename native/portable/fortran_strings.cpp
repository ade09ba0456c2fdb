// The one function of the Fortran run-time library that OpenBLAS's LAPACK routines call. With it here, the
// portable addon needs neither libgfortran, whose archive is not made for shared libraries, nor libquadmath,
// which is under the LGPL.
#include <algorithm>
#include <cstddef>

extern "C" void _gfortran_concat_string(std::size_t length, char* result, std::size_t firstLength,
                                        const char* first, std::size_t secondLength, const char* second);

// result[length] = first ‖ second, cut or filled with blanks: Fortran's `first // second`.
void _gfortran_concat_string(std::size_t length, char* result, std::size_t firstLength, const char* first,
                             std::size_t secondLength, const char* second) {
  char* end = result + length;
  char* rest = std::copy_n(first, std::min(firstLength, length), result);
  rest = std::copy_n(second, std::min<std::size_t>(secondLength, end - rest), rest);
  std::fill(rest, end, ' ');
}
