"""torch and Megatron's own core read what Recast writes for Megatron, and compute the logits of the original.

Megatron runs on GPUs only in earnest; on a CPU its local modules compute the same once it is kept from asking CUDA for a
device and for random numbers.
"""

import argparse
import contextlib
import importlib.util
import itertools
import json
import os
import queue
import socket

import torch
import torch.distributed
import torch.multiprocessing
from safetensors.torch import load_file

from referee import GOLDEN, check, convert, golden_or_skip, report

MODELS = ["llama_g4_fp32", "llama_g4_bf16", "llama_g2_tied_bf16", "qwen2_bias_bf16", "qwen3_qknorm_bf16"]
LAYOUTS = [(1, 1, 1), (2, 1, 1), (4, 1, 1), (1, 2, 1), (2, 2, 1), (1, 2, 2), (1, 4, 1)]
LIMIT = 5e-6


def root(model):
    return GOLDEN / "megatron" / "hf" / model


def ranks(directory):
    return sorted((directory / "release").glob("mp_rank_*/model_optim_rng.pt"))


def loaded(path):
    """As Megatron loads it: nothing but what is known to be harmless."""
    with torch.serialization.safe_globals([argparse.Namespace]):
        return torch.load(path, weights_only=True)


def check_loading(model):
    for spelling, tp, pp in [("te", 2, 2), ("local", 4, 1)]:
        name = f"megatron-load-{model}-{spelling}-tp{tp}-pp{pp}"
        with check(name):
            directory = convert(root(model), name, "--to", "megatron", "--names", spelling, "--tp", tp, "--pp", pp)
            files = [loaded(path) for path in ranks(directory)]
            complete = len(files) == tp * pp and all(
                file["args"].num_layers == 4 and file["checkpoint_version"] == 3.0 and file["model"] for file in files)
            report(name, complete, f"{len(files)} files, {sum(len(file['model']) for file in files)} tensors")
            mapped = torch.load(ranks(directory)[0], weights_only=False, mmap=True)
            report(name + "-mapped", mapped["model"].keys() == files[0]["model"].keys())


# Megatron itself


def megatron_model(configuration, tp, pp, vpp, chunk):
    from megatron.core import parallel_state
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_layer_local_spec
    from megatron.core.transformer.transformer_config import TransformerConfig

    c = configuration
    has_head_norms = c["model_type"].startswith("qwen3")
    experts = c.get("num_local_experts")
    mixture = {}
    if experts:
        mixture = dict(
            num_moe_experts=experts, moe_router_topk=c["num_experts_per_tok"], moe_ffn_hidden_size=c["moe_intermediate_size"],
            moe_router_pre_softmax=not c["norm_topk_prob"], moe_router_load_balancing_type="none",
            moe_token_dispatcher_type="allgather", expert_model_parallel_size=1, expert_tensor_parallel_size=tp)
    config = TransformerConfig(
        num_layers=c["num_hidden_layers"], hidden_size=c["hidden_size"], ffn_hidden_size=c["intermediate_size"],
        num_attention_heads=c["num_attention_heads"], num_query_groups=c["num_key_value_heads"],
        kv_channels=c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"],
        normalization="RMSNorm", layernorm_epsilon=c["rms_norm_eps"], qk_layernorm=has_head_norms,
        gated_linear_unit=True, activation_func=torch.nn.functional.silu,
        add_bias_linear=False, add_qkv_bias=c["model_type"] == "qwen2", hidden_dropout=0, attention_dropout=0,
        tensor_model_parallel_size=tp, pipeline_model_parallel_size=pp, pipeline_dtype=torch.float32,
        virtual_pipeline_model_parallel_size=vpp if vpp > 1 else None,
        use_cpu_initialization=True, bias_dropout_fusion=False, apply_rope_fusion=False, bias_activation_fusion=False,
        masked_softmax_fusion=False, **mixture)
    stage = parallel_state.get_pipeline_model_parallel_rank()
    rows = 128 * tp
    return GPTModel(
        config,
        get_gpt_layer_local_spec(
            num_experts=experts, moe_grouped_gemm=False, normalization="RMSNorm", qk_layernorm=has_head_norms),
        vocab_size=-(-c["vocab_size"] // rows) * rows, max_sequence_length=c["max_position_embeddings"],
        position_embedding_type="rope", rotary_base=(c.get("rope_parameters") or c)["rope_theta"],
        share_embeddings_and_output_weights=c["tie_word_embeddings"], parallel_output=False,
        pre_process=stage == 0 and chunk == 0, post_process=stage == pp - 1 and chunk == vpp - 1,
        vp_stage=chunk if vpp > 1 else None).eval()


def run_rank(rank, directory, source, tp, pp, vpp, port, results):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    torch.cuda.current_device = lambda: "cpu"
    torch.Tensor.cuda = lambda tensor, *_, **__: tensor
    torch.distributed.init_process_group("gloo", rank=rank, world_size=tp * pp)
    from megatron.core import dist_checkpointing, parallel_state
    from megatron.core.tensor_parallel import random
    from megatron.core.transformer.moe import moe_utils

    # Transformer Engine's, which is not there.
    moe_utils.te_general_gemm = getattr(moe_utils, "te_general_gemm", None)
    random.CudaRNGStatesTracker.fork = lambda *_: contextlib.nullcontext()
    parallel_state.initialize_model_parallel(
        tensor_model_parallel_size=tp, pipeline_model_parallel_size=pp,
        virtual_pipeline_model_parallel_size=vpp if vpp > 1 else None, expert_tensor_parallel_size=tp)
    stage = parallel_state.get_pipeline_model_parallel_rank()
    shard = parallel_state.get_tensor_model_parallel_rank()
    with open(source / "config.json") as file:
        configuration = json.load(file)
    models = [megatron_model(configuration, tp, pp, vpp, chunk) for chunk in range(vpp)]
    folder = directory / "release"
    if (folder / "metadata.json").exists():
        state = dist_checkpointing.load(models[0].sharded_state_dict(), str(folder))
        expected = models[0].state_dict().keys()
        models[0].load_state_dict({name: state[name] for name in state if name in expected}, strict=True)
    else:
        name = f"mp_rank_{shard:02}" + (f"_{stage:03}" if pp > 1 else "")
        file = loaded(folder / name / "model_optim_rng.pt")
        for chunk, model in enumerate(models):
            model.load_state_dict(file[f"model{chunk}" if vpp > 1 else "model"], strict=True)

    reference = load_file(source / "reference_logits.safetensors")
    ids, expected = reference["input_ids"], reference["logits_fp32"]
    length = ids.shape[1]
    hidden = torch.zeros(length, ids.shape[0], configuration["hidden_size"])
    hides = torch.ones(1, 1, length, length).tril().logical_not()
    with torch.no_grad():
        for chunk, turn in itertools.product(range(vpp), range(pp)):
            if turn == stage:
                model = models[chunk].float()
                if not model.pre_process:
                    model.set_input_tensor(hidden)
                hidden = model(ids, torch.arange(length).expand_as(ids), hides)
            if (chunk, turn) != (vpp - 1, pp - 1):
                group = parallel_state.get_pipeline_model_parallel_group()
                if pp > 1:
                    torch.distributed.broadcast(hidden, torch.distributed.get_global_rank(group, turn), group)
    if stage == pp - 1 and shard == 0:
        results.put((hidden[..., : configuration["vocab_size"]] - expected).abs().max().item())
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()


def check_megatron(model, name, directory, tp, pp, vpp):
    with check(name):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        context = torch.multiprocessing.get_context("spawn")
        results = context.Queue()
        torch.multiprocessing.spawn(
            run_rank, args=(directory, root(model), tp, pp, vpp, port, results), nprocs=tp * pp)
        try:
            distance = results.get(timeout=10)
        except queue.Empty:
            report(name, False, "no logits")
        else:
            report(name, distance <= LIMIT, f"{distance:.1e} (at most {LIMIT:.0e})")


def main():
    if not golden_or_skip("megatron"):
        return
    for model in MODELS:
        check_loading(model)
    if importlib.util.find_spec("megatron") is None:
        print("skip megatron-core is not installed", flush=True)
        return
    for model in [*MODELS, "qwen3moe_bf16"]:
        for tp, pp, vpp in LAYOUTS:
            name = f"megatron-core-{model}-tp{tp}-pp{pp}-vpp{vpp}"
            directory = convert(
                root(model), name, "--to", "megatron", "--names", "local", "--tp", tp, "--pp", pp, "--vpp", vpp)
            check_megatron(model, name, directory, tp, pp, vpp)
        directory = convert(root(model), f"megatron-dist-{model}", "--to", "megatron-dist", "--names", "local")
        for tp, pp in [(1, 1), (2, 1), (2, 2)]:
            check_megatron(model, f"megatron-core-dist-{model}-tp{tp}-pp{pp}", directory, tp, pp, 1)


if __name__ == "__main__":
    main()
