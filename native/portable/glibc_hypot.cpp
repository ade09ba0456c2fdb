// hypot of glibc 2.35 is a new version of the symbol that differs only in errno. The portable addon asks for
// the first version, so that it loads with glibc 2.34 (Red Hat Enterprise Linux 9) too: linked with
// --wrap=hypot. What the first version is called depends on when glibc came to the processor.
extern "C" {
double firstHypot(double x, double y);
double wrapHypot(double x, double y) __asm__("__wrap_hypot");
}

#if defined(__aarch64__)
__asm__(".symver firstHypot, hypot@GLIBC_2.17");
#else
__asm__(".symver firstHypot, hypot@GLIBC_2.2.5");
#endif

double wrapHypot(double x, double y) {
  return firstHypot(x, y);
}
