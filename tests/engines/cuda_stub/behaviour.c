/* What onnxruntime's CUDA provider asks of CUDA, answered by a computer without a GPU: memory is the host's, copies
 * copy, kernels and library calls do nothing.  Which node runs where and what an error leads to is real; numbers
 * are not.  Compiled once for each library that the provider is linked with; conftest.py adds every call that is not
 * here, as one that does nothing and succeeds.
 *
 * OF3_STUB_FAIL="cudaMalloc,3,2": the third cudaMalloc and all after it give error 2 (out of memory).
 * stub_fail does the same from within the process.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GIB ((size_t)1 << 30)

#ifdef LIBRARY_cudart

static char failing[64];
static int calls_left, error_given, pending;

/* From here on, after `calls` more successful calls of `name`, each gives `error`. */
void stub_fail(const char *name, int calls, int error)
{
    snprintf(failing, sizeof failing, "%s", name);
    calls_left = calls;
    error_given = error;
    pending = 0;
}

static int status(const char *name)
{
    if (strcmp(failing, name) != 0 || calls_left-- > 0)
        return 0;
    calls_left = 0;
    pending = error_given;
    return error_given;
}

static int allocated(const char *name, void **memory, size_t bytes)
{
    int failed = status(name);
    if (failed)
        return failed;
    bytes = (bytes + 511) / 256 * 256;
    *memory = aligned_alloc(256, bytes);
    memset(*memory, 0, bytes);
    return 0;
}

static int copied(const char *name, void *target, const void *source, size_t bytes)
{
    int failed = status(name);
    if (!failed)
        memcpy(target, source, bytes);
    return failed;
}

/* An error is given once more by whoever asks for the last one, as CUDA does. */
int cudaGetLastError(void) { int last = pending; pending = 0; return last; }
int cudaPeekAtLastError(void) { return pending; }
const char *cudaGetErrorName(int error) { return error == 2 ? "cudaErrorMemoryAllocation" : "cudaErrorIllegalAddress"; }
const char *cudaGetErrorString(int error) { return error == 2 ? "out of memory" : "an illegal memory access was encountered"; }

int cudaGetDeviceCount(int *count) { *count = 1; return 0; }
int cudaGetDevice(int *device) { *device = 0; return 0; }
int cudaDriverGetVersion(int *version) { *version = 13000; return 0; }
int cudaRuntimeGetVersion(int *version) { *version = 13000; return 0; }
int cudaMemGetInfo(size_t *left, size_t *total) { *left = *total = 8 * GIB; return 0; }

int cudaMalloc(void **memory, size_t bytes) { return allocated("cudaMalloc", memory, bytes); }
int cudaMallocHost(void **memory, size_t bytes) { return allocated("cudaMallocHost", memory, bytes); }
int cudaHostAlloc(void **memory, size_t bytes, unsigned flags) { return allocated("cudaHostAlloc", memory, bytes); }
int cudaFree(void *memory) { free(memory); return 0; }
int cudaFreeHost(void *memory) { free(memory); return 0; }

int cudaMemcpy(void *target, const void *source, size_t bytes, int kind)
{
    return copied("cudaMemcpy", target, source, bytes);
}

int cudaMemcpyAsync(void *target, const void *source, size_t bytes, int kind, void *stream)
{
    return copied("cudaMemcpyAsync", target, source, bytes);
}

int cudaStreamSynchronize(void *stream) { return status("cudaStreamSynchronize"); }
int cudaLaunchKernel(const void *kernel) { return status("cudaLaunchKernel"); }
int __cudaLaunchKernel(const void *kernel) { return status("cudaLaunchKernel"); }
int cudaLaunchKernelExC(const void *configuration) { return status("cudaLaunchKernel"); }
int cudaStreamIsCapturing(void *stream, int *answer) { *answer = 0; return 0; }
int cudaPointerGetAttributes(void *attributes, const void *memory) { memset(attributes, 0, 32); return 0; }

/* Of compute capability 8.0: the major is attribute 75, the minor 76, the multiprocessors 16. */
int cudaDeviceGetAttribute(int *value, int attribute, int device)
{
    *value = attribute == 75 ? 8 : attribute == 76 ? 0 : attribute == 16 ? 108 : 65536;
    return 0;
}

/* The front of cudaDeviceProp, in CUDA 13's order; onnxruntime reads no further than the capability. */
struct properties {
    char name[256], uuid[16], luid[8];
    unsigned luid_mask;
    size_t memory, shared_memory;
    int registers, warp;
    size_t pitch;
    int threads, sides[3], grid[3];
    size_t constant_memory;
    int major, minor;
};

int cudaGetDeviceProperties(struct properties *found, int device)
{
    memset(found, 0, sizeof *found);
    strcpy(found->name, "stub");
    found->memory = 8 * GIB;
    found->shared_memory = 49152;
    found->registers = 65536;
    found->warp = 32;
    found->threads = 1024;
    found->major = 8;
    return 0;
}

__attribute__((constructor)) static void from_environment(void)
{
    const char *asked = getenv("OF3_STUB_FAIL");
    char name[64];
    int calls, error;
    if (asked && sscanf(asked, "%63[^,],%d,%d", name, &calls, &error) == 3)
        stub_fail(name, calls - 1, error);
}

#endif

#ifdef LIBRARY_cudnn

size_t cudnnGetVersion(void) { return 90100; }
const char *cudnnGetErrorString(int error) { return "a stub's"; }
void cudnnGetLastErrorString(char *text, size_t bytes) { if (bytes) *text = 0; }

int cudnnBackendCreateDescriptor(int kind, void **descriptor)
{
    *descriptor = malloc(64);
    return 0;
}

int cudnnBackendDestroyDescriptor(void *descriptor) { free(descriptor); return 0; }

/* One way to compute everything (attribute 202 is the list that the heuristic gives), which has no notes and wants no
 * workspace: an int64 (type 3). */
int cudnnBackendGetAttribute(void *descriptor, int attribute, int type, long asked, long *there, void *values)
{
    if (there)
        *there = attribute == 202 || (type == 3 && asked == 1);
    if (type == 3 && asked == 1 && values)
        memset(values, 0, 8);
    return 0;
}

#endif

#ifdef LIBRARY_cuda

/* What cuda-bindings, which has a CUDA runtime of its own, asks first. */
int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 13000; return 0; }

#endif

#ifdef LIBRARY_cublas

const char *cublasGetStatusName(int status) { return "a stub's"; }
const char *cublasGetStatusString(int status) { return "a stub's"; }

#endif
