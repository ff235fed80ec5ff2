/* An accelerator that can be pulled out: a LiteRT delegate that doubles floats, and fails while the file named by its
 * option `fault` exists. `log`, if given, gets a letter for each opening (+), closing (-) and run (.) of the device. The
 * layouts are those of LiteRT's tflite/core/c/common.h, as far as they are needed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef enum { OK, ERROR } Status;
typedef struct { int size, data[]; } IntArray;
typedef struct {
    int type;
    void *data;
    IntArray *dims;
    float scale;
    int32_t zero_point;
    int allocation_type;
    size_t bytes;
    const void *allocation;
    const char *name;
    void *delegate;
    int buffer_handle;
    _Bool stale, variable;
    struct { int type; void *params; } quantization;
    void *sparsity;
    const IntArray *signature;
} Tensor;
typedef struct { IntArray *inputs, *outputs, *intermediates, *temporaries; void *user_data; } Node;
typedef struct Context Context;
typedef struct Delegate Delegate;
typedef struct {
    void *(*init)(Context *, const char *, size_t);
    void (*free)(Context *, void *);
    Status (*prepare)(Context *, Node *);
    Status (*invoke)(Context *, Node *);
    const char *(*profiling)(const Context *, const Node *);
    int32_t builtin_code;
    const char *custom_name;
    int version;
    void *external, *async;
    uint64_t inplace;
} Kernel;
struct Context {
    size_t tensors_size;
    Status (*plan)(Context *, IntArray **);
    Tensor *tensors;
    void *impl;
    Status (*resize)(Context *, Tensor *, IntArray *);
    void (*report)(Context *, const char *, ...);
    void *add_tensors, *get_node;
    Status (*replace)(Context *, Kernel, const IntArray *, Delegate *);
};
struct Delegate {
    void *data;
    Status (*prepare)(Context *, Delegate *);
    void *copy_from, *copy_to, *free_handle;
    int64_t flags;
    void *builder;
};
typedef struct { char fault[256], log[256]; } Device;

static void note(const Device *device, const char *what) {
    FILE *log = *device->log ? fopen(device->log, "a") : NULL;
    if (log) fputs(what, log), fclose(log);
}

static int gone(const Device *device) { return access(device->fault, F_OK) == 0; }

static void *init(Context *context, const char *params, size_t size) {
    (void)context, (void)size;
    return (*(Delegate **)params)->data; /* TfLiteDelegateParams begins with the delegate */
}

static Tensor *input(Context *context, Node *node) { return &context->tensors[node->inputs->data[0]]; }

static Tensor *output(Context *context, Node *node) { return &context->tensors[node->outputs->data[0]]; }

static Status prepare_node(Context *context, Node *node) {
    IntArray *dims = input(context, node)->dims;
    size_t size = sizeof(int) * (1 + dims->size);
    return context->resize(context, output(context, node), memcpy(malloc(size), dims, size));
}

static Status invoke(Context *context, Node *node) {
    Device *device = node->user_data;
    if (gone(device)) {
        context->report(context, "the device does not answer\n");
        return ERROR;
    }
    float *from = input(context, node)->data, *to = output(context, node)->data;
    for (size_t i = 0; i < input(context, node)->bytes / sizeof(float); i++) to[i] = 2 * from[i];
    note(device, ".");
    return OK;
}

static Status prepare(Context *context, Delegate *delegate) {
    IntArray *plan;
    Kernel kernel = {.init = init, .prepare = prepare_node, .invoke = invoke, .custom_name = "doubling", .version = 1};
    return context->plan(context, &plan) == OK ? context->replace(context, kernel, plan, delegate) : ERROR;
}

Delegate *tflite_plugin_create_delegate(char **keys, char **values, size_t count, void (*report)(const char *)) {
    Device *device = calloc(1, sizeof *device);
    for (size_t i = 0; i < count; i++) {
        if (!strcmp(keys[i], "fault")) snprintf(device->fault, sizeof device->fault, "%s", values[i]);
        if (!strcmp(keys[i], "log")) snprintf(device->log, sizeof device->log, "%s", values[i]);
    }
    if (gone(device)) {
        report("no such device");
        free(device);
        return NULL;
    }
    Delegate *delegate = calloc(1, sizeof *delegate);
    *delegate = (Delegate){.data = device, .prepare = prepare, .flags = 1 /* sizes may change */};
    note(device, "+");
    return delegate;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) {
    if (!delegate) return;
    note(delegate->data, "-");
    free(delegate->data);
    free(delegate);
}
