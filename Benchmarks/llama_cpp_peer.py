"""What llama.cpp needs for the same work on one thread, through llama-cpp-python. Prints seconds: of the
clock for quantize, of the processor for evaluate.

    llama_cpp_peer.py quantize SOURCE.gguf DESTINATION.gguf FILE_TYPE
    llama_cpp_peer.py evaluate MODEL.gguf TEXT      windows of 512 tokens (a byte is a token), loading not counted
    llama_cpp_peer.py read MODEL.gguf COUNT         windows of 512 tokens with the logits of all: tokens a second
    llama_cpp_peer.py write MODEL.gguf COUNT        tokens one at a time: tokens a second
        [no-repack] at the end of either: weights as they are in the file, without kernels that need them in another order
"""

import ctypes
import sys
import time

import llama_cpp

CONTEXT = 512
# Some names have letters of both cases in llama.cpp.
FILE_TYPES = {name.lower(): name for name in ("Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K")}


def quantize(source, destination, name):
    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread = 1
    params.ftype = getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{FILE_TYPES.get(name, name.upper())}")
    start = time.monotonic()
    if llama_cpp.llama_model_quantize(source.encode(), destination.encode(), params) != 0:
        sys.exit("llama.cpp did not quantize")
    print(time.monotonic() - start)


def evaluate(path, text):
    model = llama_cpp.Llama(
        path, n_ctx=CONTEXT, n_batch=CONTEXT, n_ubatch=CONTEXT, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False
    )
    tokens = model.tokenize(open(text, "rb").read(), add_bos=False)
    windows = [tokens[start : start + CONTEXT] for start in range(0, len(tokens) - CONTEXT + 1, CONTEXT)]
    start = time.process_time()
    for window in windows:
        model.reset()
        model.eval(window)
    print(time.process_time() - start)


class Context:
    """A model on one thread, of which batches are timed."""

    def __init__(self, path, *options):
        self.log = llama_cpp.llama_log_callback(lambda *_: None)
        llama_cpp.llama_log_set(self.log, ctypes.c_void_p(0))
        model, context = llama_cpp.llama_model_default_params(), llama_cpp.llama_context_default_params()
        model.use_extra_bufts = "no-repack" not in options
        context.n_ctx, context.n_batch, context.n_ubatch = 2 * CONTEXT, CONTEXT, CONTEXT
        context.n_threads = context.n_threads_batch = 1
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), model)
        self.context = llama_cpp.llama_init_from_model(self.model, context)

    def seconds(self, count, position, has_logits=True):
        batch = llama_cpp.llama_batch_init(count, 0, 1)
        batch.n_tokens = count
        for i in range(count):
            batch.token[i], batch.pos[i] = (position + i) * 7919 % 150000, position + i
            batch.n_seq_id[i], batch.seq_id[i][0], batch.logits[i] = 1, 0, has_logits
        start = time.process_time()
        if llama_cpp.llama_decode(self.context, batch) != 0:
            sys.exit("llama.cpp did not evaluate")
        llama_cpp.llama_synchronize(self.context)
        return time.process_time() - start

    def clear(self):
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)


def read(path, count, *options):
    context, seconds = Context(path, *options), 0
    for _ in range(int(count) // CONTEXT):
        context.clear()
        seconds += context.seconds(CONTEXT, 0)
    print(int(count) // CONTEXT * CONTEXT / seconds)


def write(path, count, *options):
    context = Context(path, *options)
    context.seconds(8, 0)
    context.seconds(1, 8)
    print(int(count) / sum(context.seconds(1, 9 + i) for i in range(int(count))))


{"quantize": quantize, "evaluate": evaluate, "read": read, "write": write}[sys.argv[1]](*sys.argv[2:])
