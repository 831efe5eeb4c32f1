/* Module _kdf: hashlib.pbkdf2_hmac and hashlib.scrypt, which CPython has from OpenSSL alone. Over the same code (HACL*)
 * as hashlib's digests; arguments and messages are those of CPython's Modules/_hashopenssl.c.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <Hacl_Hash_MD5.h>
#include <Hacl_Hash_SHA1.h>
#include <Hacl_Hash_SHA2.h>
#include <internal/Hacl_Hash_MD5.h>
#include <internal/Hacl_Hash_SHA1.h>
#include <internal/Hacl_Hash_SHA2.h>

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_MAX 128
#define DIGEST_MAX 64

static const uint64_t SCRYPT_MEMORY_DEFAULT = 32 * 1024 * 1024;
static const uint64_t SCRYPT_RP_MAX = (1 << 30) - 1;

/* ---- digests ---------------------------------------------------------------------------------------------------- */

union state {
    uint32_t words32[8];
    uint64_t words64[8];
};

struct algorithm {
    const char *name;
    uint32_t block; /* bytes of a block, a digest and a word */
    uint32_t digest;
    uint32_t word;
    void (*init)(union state *state);
    void (*update)(union state *state, const uint8_t *blocks, uint32_t length);
};

/* Either only lacks `const`. */
#define INIT(name, function, words) \
    static void init_##name(union state *state) { function(state->words); }
#define UPDATE(name, call) \
    static void update_##name(union state *state, const uint8_t *blocks, uint32_t length) { call; }

INIT(md5, Hacl_Hash_MD5_init, words32)
INIT(sha1, Hacl_Hash_SHA1_init, words32)
INIT(sha224, Hacl_Hash_SHA2_sha224_init, words32)
INIT(sha256, Hacl_Hash_SHA2_sha256_init, words32)
INIT(sha384, Hacl_Hash_SHA2_sha384_init, words64)
INIT(sha512, Hacl_Hash_SHA2_sha512_init, words64)
UPDATE(md5, Hacl_Hash_MD5_update_multi(state->words32, (uint8_t *)blocks, length / 64))
UPDATE(sha1, Hacl_Hash_SHA1_update_multi(state->words32, (uint8_t *)blocks, length / 64))
UPDATE(sha256, Hacl_Hash_SHA2_sha256_update_nblocks(length, (uint8_t *)blocks, state->words32))
UPDATE(sha512, Hacl_Hash_SHA2_sha512_update_nblocks(length, (uint8_t *)blocks, state->words64))

static const struct algorithm algorithms[] = {
    {"sha256", 64, 32, 4, init_sha256, update_sha256},
    {"sha512", 128, 64, 8, init_sha512, update_sha512},
    {"sha1", 64, 20, 4, init_sha1, update_sha1},
    {"sha224", 64, 28, 4, init_sha224, update_sha256},
    {"sha384", 128, 48, 8, init_sha384, update_sha512},
    {"md5", 64, 16, 4, init_md5, update_md5},
    {NULL, 0, 0, 0, NULL, NULL},
};

static const struct algorithm *
find_algorithm(const char *name)
{
    const struct algorithm *algorithm = algorithms;
    while (algorithm->name != NULL && PyOS_stricmp(algorithm->name, name) != 0) {
        algorithm++;
    }
    return algorithm->name != NULL ? algorithm : NULL;
}

static bool
is_little_endian(const struct algorithm *algorithm)
{
    return algorithm->init == init_md5;
}

/* `value` in `count` bytes. */
static void
store(uint8_t *bytes, uint64_t value, uint32_t count, bool little_endian)
{
    for (uint32_t i = 0; i < count; i++) {
        bytes[little_endian ? i : count - 1 - i] = (uint8_t)(value >> 8 * i);
    }
}

/* The digest of what `state` has seen, `before` bytes in whole blocks, and of `text` behind it. */
static void
digest_rest(const struct algorithm *algorithm, union state state, uint64_t before, const uint8_t *text, size_t length,
            uint8_t *digest)
{
    uint32_t block = algorithm->block, size = 2 * algorithm->word; /* of the length at the end */
    size_t rest = length % block;
    algorithm->update(&state, text, (uint32_t)(length - rest));
    uint8_t last[2 * BLOCK_MAX] = {0};
    memcpy(last, text + length - rest, rest);
    last[rest] = 0x80;
    uint32_t padded = rest + 1 + size <= block ? block : 2 * block;
    bool little_endian = is_little_endian(algorithm);
    /* The upper half of what takes 16 bytes stays zero. */
    uint8_t *place = last + padded - 8;
    store(place, (before + length) * 8, 8, little_endian);
    algorithm->update(&state, last, padded);
    for (uint32_t i = 0; i < algorithm->digest / algorithm->word; i++) {
        uint64_t word = algorithm->word == 4 ? state.words32[i] : state.words64[i];
        store(digest + i * algorithm->word, word, algorithm->word, little_endian);
    }
}

/* ---- HMAC ------------------------------------------------------------------------------------------------------- */

struct hmac {
    const struct algorithm *algorithm;
    union state inner, outer; /* after the key's block */
};

static void
begin_with_key(const struct algorithm *algorithm, const uint8_t *key, uint8_t mask, union state *state)
{
    uint8_t block[BLOCK_MAX];
    for (uint32_t i = 0; i < algorithm->block; i++) {
        block[i] = key[i] ^ mask;
    }
    algorithm->init(state);
    algorithm->update(state, block, algorithm->block);
}

static struct hmac
make_hmac(const struct algorithm *algorithm, const uint8_t *password, size_t length)
{
    uint8_t key[BLOCK_MAX] = {0};
    if (length > algorithm->block) {
        union state state;
        algorithm->init(&state);
        digest_rest(algorithm, state, 0, password, length, key);
    }
    else {
        memcpy(key, password, length);
    }
    struct hmac hmac = {.algorithm = algorithm};
    begin_with_key(algorithm, key, 0x36, &hmac.inner);
    begin_with_key(algorithm, key, 0x5c, &hmac.outer);
    return hmac;
}

static void
authenticate(const struct hmac *hmac, const uint8_t *text, size_t length, uint8_t *digest)
{
    const struct algorithm *algorithm = hmac->algorithm;
    digest_rest(algorithm, hmac->inner, algorithm->block, text, length, digest);
    digest_rest(algorithm, hmac->outer, algorithm->block, digest, algorithm->digest, digest);
}

/* ---- PBKDF2 ----------------------------------------------------------------------------------------------------- */

/* `text` is the salt with four bytes behind it, which this writes to. */
static void
pbkdf2(const struct hmac *hmac, uint8_t *text, size_t salt_length, long iterations, uint8_t *key, size_t key_length)
{
    size_t size = hmac->algorithm->digest;
    for (uint32_t number = 1; key_length > 0; number++) {
        uint8_t digest[DIGEST_MAX], sum[DIGEST_MAX];
        store(text + salt_length, number, 4, false);
        authenticate(hmac, text, salt_length + 4, digest);
        memcpy(sum, digest, size);
        for (long i = 1; i < iterations; i++) {
            authenticate(hmac, digest, size, digest);
            for (size_t byte = 0; byte < size; byte++) {
                sum[byte] ^= digest[byte];
            }
        }
        size_t taken = key_length < size ? key_length : size;
        memcpy(key, sum, taken);
        key += taken;
        key_length -= taken;
    }
}

/* -1 with an exception set. */
static int
derive(const struct algorithm *algorithm, const Py_buffer *password, const uint8_t *salt, size_t salt_length,
       long iterations, uint8_t *key, size_t key_length)
{
    uint8_t *text = PyMem_Malloc(salt_length + 4);
    if (text == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(text, salt, salt_length);
    struct hmac hmac = make_hmac(algorithm, password->buf, (size_t)password->len);
    pbkdf2(&hmac, text, salt_length, iterations, key, key_length);
    PyMem_Free(text);
    return 0;
}

/* The sum of one block of the key, with hashlib's object of any other algorithm; NULL with an exception set. */
static PyObject *
sum_by_objects(PyObject *hmac, const Py_buffer *salt, uint32_t number, long iterations)
{
    uint8_t suffix[4];
    store(suffix, number, 4, false);
    PyObject *text = PyBytes_FromStringAndSize(salt->buf, salt->len);
    PyBytes_ConcatAndDel(&text, PyBytes_FromStringAndSize((char *)suffix, 4));
    PyObject *sum = NULL;
    for (long i = 0; text != NULL && i < iterations; i++) {
        PyObject *copy = PyObject_CallMethod(hmac, "copy", NULL);
        PyObject *nothing = copy != NULL ? PyObject_CallMethod(copy, "update", "O", text) : NULL;
        Py_XDECREF(nothing);
        Py_SETREF(text, nothing != NULL ? PyObject_CallMethod(copy, "digest", NULL) : NULL);
        Py_XDECREF(copy);
        if (text != NULL && sum == NULL) {
            sum = PyBytes_FromStringAndSize(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text));
            continue;
        }
        for (Py_ssize_t byte = 0; text != NULL && byte < PyBytes_GET_SIZE(text); byte++) {
            PyBytes_AS_STRING(sum)[byte] ^= PyBytes_AS_STRING(text)[byte];
        }
    }
    if (text == NULL) {
        Py_CLEAR(sum);
    }
    Py_XDECREF(text);
    return sum;
}

static PyObject *
derive_by_objects(const char *name, const Py_buffer *password, const Py_buffer *salt, long iterations, PyObject *length)
{
    PyObject *module = PyImport_ImportModule("hmac");
    PyObject *hmac = module != NULL ? PyObject_CallMethod(module, "new", "y#y#s", password->buf, password->len, "", (Py_ssize_t)0, name)
                                    : NULL;
    Py_XDECREF(module);
    PyObject *size = hmac != NULL ? PyObject_GetAttrString(hmac, "digest_size") : NULL;
    Py_ssize_t wanted = size != NULL ? PyLong_AsSsize_t(length == Py_None ? size : length) : -1;
    Py_XDECREF(size);
    PyObject *key = PyErr_Occurred() ? NULL : PyBytes_FromStringAndSize(NULL, 0);
    for (uint32_t number = 1; key != NULL && PyBytes_GET_SIZE(key) < wanted; number++) {
        PyBytes_ConcatAndDel(&key, sum_by_objects(hmac, salt, number, iterations));
    }
    Py_XDECREF(hmac);
    if (key != NULL && PyBytes_GET_SIZE(key) > wanted) {
        _PyBytes_Resize(&key, wanted);
    }
    return key;
}

/* Whether PBKDF2 takes these; false with an exception set. */
static bool
check_pbkdf2(long iterations, PyObject *length)
{
    if (iterations < 1) {
        PyErr_SetString(PyExc_ValueError, "iteration value must be greater than 0.");
        return false;
    }
    long wanted = length == Py_None ? 1 : PyLong_AsLong(length);
    if (wanted == -1 && PyErr_Occurred()) {
        return false;
    }
    if (wanted < 1) {
        PyErr_SetString(PyExc_ValueError, "key length must be greater than 0.");
        return false;
    }
    return true;
}

static PyObject *
pbkdf2_hmac_of(const char *name, const Py_buffer *password, const Py_buffer *salt, long iterations, PyObject *length)
{
    const struct algorithm *algorithm = find_algorithm(name);
    if (!check_pbkdf2(iterations, length)) {
        return NULL;
    }
    if (algorithm == NULL) {
        return derive_by_objects(name, password, salt, iterations, length);
    }
    long wanted = length == Py_None ? (long)algorithm->digest : PyLong_AsLong(length);
    PyObject *key = PyBytes_FromStringAndSize(NULL, wanted);
    if (key != NULL && derive(algorithm, password, salt->buf, (size_t)salt->len, iterations,
                              (uint8_t *)PyBytes_AS_STRING(key), (size_t)wanted) < 0) {
        Py_CLEAR(key);
    }
    return key;
}

static PyObject *
pbkdf2_hmac(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"hash_name", "password", "salt", "iterations", "dklen", NULL};
    const char *name;
    Py_buffer password, salt;
    long iterations;
    PyObject *length = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "sy*y*l|O:pbkdf2_hmac", names, &name, &password, &salt, &iterations,
                                     &length)) {
        return NULL;
    }
    PyObject *key = pbkdf2_hmac_of(name, &password, &salt, iterations, length);
    PyBuffer_Release(&password);
    PyBuffer_Release(&salt);
    return key;
}

/* ---- scrypt (RFC 7914) ------------------------------------------------------------------------------------------- */

static inline uint32_t
rotate(uint32_t word, int bits)
{
    return word << bits | word >> (32 - bits);
}

static inline void
quarter_round(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *b ^= rotate(*a + *d, 7);
    *c ^= rotate(*b + *a, 9);
    *d ^= rotate(*c + *b, 13);
    *a ^= rotate(*d + *c, 18);
}

static void
salsa20_8(uint32_t block[16])
{
    uint32_t x[16];
    memcpy(x, block, sizeof x);
    for (int round = 0; round < 8; round += 2) {
        for (int i = 0; i < 4; i++) { /* columns */
            quarter_round(&x[5 * i], &x[(5 * i + 4) % 16], &x[(5 * i + 8) % 16], &x[(5 * i + 12) % 16]);
        }
        for (int i = 0; i < 4; i++) { /* rows */
            quarter_round(&x[5 * i], &x[4 * i + (i + 1) % 4], &x[4 * i + (i + 2) % 4], &x[4 * i + (i + 3) % 4]);
        }
    }
    for (int i = 0; i < 16; i++) {
        block[i] += x[i];
    }
}

/* Mixes the 2 r blocks of `from` into `to`. */
static void
mix_blocks(const uint32_t *from, uint32_t *to, size_t r)
{
    uint32_t x[16];
    memcpy(x, from + (2 * r - 1) * 16, sizeof x);
    for (size_t i = 0; i < 2 * r; i++) {
        for (int word = 0; word < 16; word++) {
            x[word] ^= from[i * 16 + word];
        }
        salsa20_8(x);
        memcpy(to + (i / 2 + (i % 2) * r) * 16, x, sizeof x);
    }
}

/* `block` has 32 r words, `table` room for n + 1 of those. WebAssembly is little-endian, as scrypt is. */
static void
mix_by_table(uint32_t *block, uint32_t *table, size_t n, size_t r)
{
    size_t words = 32 * r;
    uint32_t *other = table + n * words;
    for (size_t i = 0; i < n; i++) {
        memcpy(table + i * words, block, words * 4);
        mix_blocks(table + i * words, block, r);
    }
    for (size_t i = 0; i < n; i++) {
        const uint32_t *row = table + (block[words - 16] & (n - 1)) * words;
        for (size_t word = 0; word < words; word++) {
            block[word] ^= row[word];
        }
        mix_blocks(block, other, r);
        memcpy(block, other, words * 4);
    }
}

static int
scrypt_into(const Py_buffer *password, const Py_buffer *salt, size_t n, size_t r, size_t p, uint8_t *key, size_t length)
{
    const struct algorithm *sha256 = find_algorithm("sha256");
    size_t size = p * 128 * r;
    uint32_t *blocks = PyMem_Malloc(size);
    uint32_t *table = PyMem_Malloc((n + 1) * 128 * r);
    int status = -1;
    if (blocks == NULL || table == NULL) {
        PyErr_NoMemory();
    }
    else if (derive(sha256, password, salt->buf, (size_t)salt->len, 1, (uint8_t *)blocks, size) == 0) {
        for (size_t i = 0; i < p; i++) {
            mix_by_table(blocks + i * 32 * r, table, n, r);
        }
        status = derive(sha256, password, (uint8_t *)blocks, size, 1, key, length);
    }
    PyMem_Free(table);
    PyMem_Free(blocks);
    return status;
}

/* One of n, r and p; false with an exception set. */
static bool
read_cost(PyObject *number, const char *name, unsigned long *cost)
{
    *cost = PyLong_Check(number) ? PyLong_AsUnsignedLong(number) : (unsigned long)-1;
    if (*cost == (unsigned long)-1 && (PyErr_Occurred() || !PyLong_Check(number))) {
        PyErr_Format(PyExc_TypeError, "%s is required and must be an unsigned int", name);
        return false;
    }
    return true;
}

/* As OpenSSL does. */
static bool
check_scrypt(uint64_t n, uint64_t r, uint64_t p, uint64_t memory_max)
{
    if (r == 0 || p == 0 || p > SCRYPT_RP_MAX / r || (16 * r <= 63 && n >= (uint64_t)1 << (16 * r))) {
        PyErr_SetString(PyExc_ValueError, "Invalid parameter combination for n, r, p, maxmem.");
        return false;
    }
    uint64_t limit = memory_max != 0 ? memory_max : SCRYPT_MEMORY_DEFAULT;
    if (n + 2 > UINT64_MAX / 128 / r || p * 128 * r + (n + 2) * 128 * r > limit) {
        PyErr_SetString(PyExc_ValueError, "[digital envelope routines] memory limit exceeded");
        return false;
    }
    return true;
}

static PyObject *
scrypt_of(const Py_buffer *password, const Py_buffer *salt, PyObject *costs[3], long memory_max, long length)
{
    unsigned long n, r, p;
    if (salt->buf == NULL) {
        PyErr_SetString(PyExc_TypeError, "salt is required");
        return NULL;
    }
    if (!read_cost(costs[0], "n", &n)) {
        return NULL;
    }
    if (n < 2 || (n & (n - 1)) != 0) {
        PyErr_SetString(PyExc_ValueError, "n must be a power of 2.");
        return NULL;
    }
    if (!read_cost(costs[1], "r", &r) || !read_cost(costs[2], "p", &p)) {
        return NULL;
    }
    if (memory_max < 0) {
        PyErr_Format(PyExc_ValueError, "maxmem must be positive and smaller than %d", INT_MAX);
        return NULL;
    }
    if (length < 1) {
        PyErr_Format(PyExc_ValueError, "dklen must be greater than 0 and smaller than %d", INT_MAX);
        return NULL;
    }
    PyObject *key = check_scrypt(n, r, p, (uint64_t)memory_max) ? PyBytes_FromStringAndSize(NULL, length) : NULL;
    if (key != NULL &&
        scrypt_into(password, salt, n, r, p, (uint8_t *)PyBytes_AS_STRING(key), (size_t)length) < 0) {
        Py_CLEAR(key);
    }
    return key;
}

static PyObject *
scrypt(PyObject *Py_UNUSED(module), PyObject *args, PyObject *keywords)
{
    static char *names[] = {"password", "salt", "n", "r", "p", "maxmem", "dklen", NULL};
    Py_buffer password, salt = {.buf = NULL};
    PyObject *costs[3] = {Py_None, Py_None, Py_None};
    long memory_max = 0, length = 64;
    if (!PyArg_ParseTupleAndKeywords(args, keywords, "y*|$y*OOOll:scrypt", names, &password, &salt, &costs[0], &costs[1],
                                     &costs[2], &memory_max, &length)) {
        return NULL;
    }
    PyObject *key = scrypt_of(&password, &salt, costs, memory_max, length);
    PyBuffer_Release(&password);
    PyBuffer_Release(&salt);
    return key;
}

static PyMethodDef functions[] = {
    {"pbkdf2_hmac", (PyCFunction)(void (*)(void))pbkdf2_hmac, METH_VARARGS | METH_KEYWORDS,
     "pbkdf2_hmac($module, /, hash_name, password, salt, iterations, dklen=None)\n--\n\n"
     "Password based key derivation function 2 (PKCS #5 v2.0) with HMAC as pseudorandom function."},
    {"scrypt", (PyCFunction)(void (*)(void))scrypt, METH_VARARGS | METH_KEYWORDS,
     "scrypt($module, /, password, *, salt=None, n=None, r=None, p=None,\n       maxmem=0, dklen=64)\n--\n\n"
     "scrypt password-based key derivation function."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef kdf_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_kdf",
    .m_doc = "Keys derived from passwords.",
    .m_size = 0,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit__kdf(void)
{
    return PyModule_Create(&kdf_module);
}
