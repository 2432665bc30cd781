"""llama.cpp as a program that computes: what a file makes of a text."""

import math

import llama_cpp
import numpy

CONTEXT = 256


@llama_cpp.llama_log_callback
def quiet(level, text, data):
    pass


def quantized(source, target, mix):
    """What llama-quantize writes, by the library call behind it."""
    parameters = llama_cpp.llama_model_quantize_default_params()
    parameters.nthread, parameters.ftype = 2, getattr(llama_cpp, f"LLAMA_FTYPE_MOSTLY_{mix.upper()}")
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), parameters) != 0:
        raise RuntimeError(f"llama.cpp does not quantize {source.name} to {mix}")
    return target


class Model:
    """llama.cpp's own interface: the checkpoints without a vocabulary cannot be opened by the Python class above it."""

    def __init__(self, path):
        params = llama_cpp.llama_model_default_params()
        self.model = llama_cpp.llama_model_load_from_file(str(path).encode(), params)
        if not self.model:
            raise RuntimeError(f"llama.cpp does not load {path.name}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = CONTEXT
        params.n_threads = params.n_threads_batch = 2
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        params.type_k = params.type_v = llama_cpp.GGML_TYPE_F32
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        self.vocabulary = llama_cpp.llama_model_get_vocab(self.model)

    def logits(self, ids):
        """The logits of every position of one sequence."""
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), True)
        batch = llama_cpp.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for position, token in enumerate(ids):
            batch.token[position], batch.pos[position], batch.logits[position] = token, position, 1
            batch.n_seq_id[position], batch.seq_id[position][0] = 1, 0
        status = llama_cpp.llama_decode(self.context, batch)
        llama_cpp.llama_batch_free(batch)
        if status != 0:
            raise RuntimeError(f"llama_decode: {status}")
        count = llama_cpp.llama_vocab_n_tokens(self.vocabulary)
        return numpy.ctypeslib.as_array(llama_cpp.llama_get_logits(self.context), (len(ids), count)).copy()

    def tokens(self, text):
        room = (llama_cpp.llama_token * (len(text) + 8))()
        count = llama_cpp.llama_tokenize(self.vocabulary, text, len(text), room, len(room), True, True)
        return list(room[:count])

    def perplexity(self, text):
        """llama-perplexity's method (specification §e.1), which adds no BOS for this vocabulary."""
        tokens, total, scored = self.tokens(text), 0.0, 0
        for start in range(0, len(tokens) - CONTEXT + 1, CONTEXT):
            window = tokens[start : start + CONTEXT]
            found = self.logits(window)[CONTEXT // 2 : CONTEXT - 1].astype(numpy.float64)
            targets = numpy.array(window[CONTEXT // 2 + 1 :])
            largest = found.max(axis=1, keepdims=True)
            sums = numpy.log(numpy.exp(found - largest).sum(axis=1)) + largest[:, 0]
            total += (sums - found[numpy.arange(len(targets)), targets]).sum()
            scored += len(targets)
        return math.exp(total / scored), scored


llama_cpp.llama_log_set(quiet, None)
llama_cpp.llama_backend_init()
