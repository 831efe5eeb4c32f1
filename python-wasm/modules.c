/* The C modules of the interpreter that are not CPython's own. */
#include <Python.h>

#define MODULES \
    MODULE("_files", PyInit__files) \
    MODULE("_kdf", PyInit__kdf) \
    MODULE("numpy._core._multiarray_umath", PyInit__multiarray_umath) \
    MODULE("numpy.fft._pocketfft_umath", PyInit__pocketfft_umath) \
    MODULE("numpy.linalg._umath_linalg", PyInit__umath_linalg) \
    MODULE("numpy.random._bounded_integers", PyInit__bounded_integers) \
    MODULE("numpy.random._common", PyInit__common) \
    MODULE("numpy.random._generator", PyInit__generator) \
    MODULE("numpy.random._mt19937", PyInit__mt19937) \
    MODULE("numpy.random._pcg64", PyInit__pcg64) \
    MODULE("numpy.random._philox", PyInit__philox) \
    MODULE("numpy.random._sfc64", PyInit__sfc64) \
    MODULE("numpy.random.bit_generator", PyInit_bit_generator) \
    MODULE("numpy.random.mtrand", PyInit_mtrand)

#define MODULE(name, init) extern PyObject *init(void);
MODULES
#undef MODULE

/* Makes the modules importable; call it before the interpreter starts. Returns -1 without memory. */
int
executor_add_modules(void)
{
#define MODULE(name, init) \
    if (PyImport_AppendInittab(name, init) < 0) { \
        return -1; \
    }
    MODULES
#undef MODULE
    return 0;
}

/* C++ code in here is compiled without exceptions: where it would throw one (out of memory), the program ends. */
void *
__cxa_allocate_exception(size_t size)
{
    (void)size;
    __builtin_trap();
}

void
__cxa_throw(void *exception, void *type, void (*destructor)(void *))
{
    (void)exception, (void)type, (void)destructor;
    __builtin_trap();
}
