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
import pathlib
import queue
import shutil
import socket

import torch
import torch.distributed
import torch.multiprocessing
from safetensors.torch import load_file, save_file

from referee import GOLDEN, WORK, check, convert, family, golden_or_skip, report, tensors

MODELS = ["llama_g4_fp32", "llama_g4_bf16", "llama_g2_tied_bf16", "qwen2_bias_bf16", "qwen3_qknorm_bf16"]
LAYOUTS = [(1, 1, 1), (2, 1, 1), (4, 1, 1), (1, 2, 1), (2, 2, 1), (1, 2, 2), (1, 4, 1)]
LIMIT = 5e-6
# Whose logits are those of transformers, by another order of additions.
FAMILY_LIMIT = 5e-5
FAMILIES = ["qwen2_moe", "deepseek_v3", "deepseek_v2"]
# Routers of Fixtures/families that Megatron has: two layers, of which the first is dense.
ROUTERS = ["dots1", "hy_v3", "glm4_moe_lite", "glm4_moe"]
# LayerNorm, feed-forward without a gate, learned positions, heads of which a part turns.
CLASSICS = ["gpt2", "gpt_bigcode", "nemotron", "starcoder2", "arcee"]


def root(model):
    return WORK / "families" / model if model in FAMILIES + ROUTERS + CLASSICS else GOLDEN / "megatron" / "hf" / model


def make_families():
    """Models with shared experts and latent attention, of which no checkpoint of Megatron's own is at hand."""
    from transformers import AutoModelForCausalLM

    changes = {
        "qwen2_moe": {},
        # One group of four, so that Megatron looks at the sum of two scores for each, as the model does.
        "deepseek_v3": {"topk_group": 1},
        "deepseek_v2": {
            "architectures": ["DeepseekV2ForCausalLM"], "model_type": "deepseek_v2", "topk_method": "greedy",
            "n_group": 1, "topk_group": 1, "norm_topk_prob": False, "q_lora_rank": None,
            "rope_parameters": {
                "rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 16,
                "beta_fast": 32, "beta_slow": 1, "mscale": 0.7, "mscale_all_dim": 0.7}},
    }
    for model, change in changes.items():
        source = family("deepseek_v3" if model == "deepseek_v2" else model)
        root(model).mkdir(parents=True, exist_ok=True)
        with open(source / "config.json") as file:
            configuration = json.load(file) | change
        with open(root(model) / "config.json", "w") as file:
            json.dump(configuration, file)
        weights = tensors(source)
        if model == "deepseek_v2":
            weights = {
                name.replace("q_b_proj", "q_proj"): tensor for name, tensor in weights.items()
                if "q_a_" not in name and "e_score" not in name}
            # Queries of the hidden state itself: twice as wide, and twice as small.
            weights = {
                name: torch.cat([tensor, tensor.flip(1)], 1) / 2 if "q_proj" in name else tensor
                for name, tensor in weights.items()}
        save_file(weights, root(model) / "model.safetensors", {"format": "pt"})
        loaded = AutoModelForCausalLM.from_pretrained(
            root(model), dtype=torch.float32, attn_implementation="eager").eval()
        ids = load_file(source / "reference.safetensors")["input_ids"]
        with torch.no_grad():
            logits = loaded(ids).logits.float()
        save_file(
            {"input_ids": ids, "logits_fp32": logits.contiguous()}, root(model) / "reference_logits.safetensors")


def make_routers():
    """Those of Fixtures/families, with the one epsilon that transformers has in the norms of latent attention."""
    from transformers import AutoModelForCausalLM

    for model in ROUTERS + CLASSICS:
        source = pathlib.Path(__file__).resolve().parents[2] / "Fixtures/families" / model
        root(model).mkdir(parents=True, exist_ok=True)
        configuration = json.loads((source / "config.json").read_text())
        if model in ROUTERS:
            configuration["rms_norm_eps"] = 1e-6
        if model == "glm4_moe":  # one group, of which Megatron looks at as many scores as the model
            configuration |= {"topk_group": 1, "num_experts_per_tok": 2}
        if model == "arcee":  # Megatron's scaling has an original context of 8192
            configuration["rope_parameters"] = {"rope_type": "default", "rope_theta": 10000.0}
        (root(model) / "config.json").write_text(json.dumps(configuration))
        shutil.copy(source / "model.safetensors", root(model))
        loaded = AutoModelForCausalLM.from_pretrained(
            root(model), dtype=torch.float32, attn_implementation="eager").eval()
        ids = load_file(source / "reference.safetensors")["input_ids"]
        with torch.no_grad():
            logits = loaded(ids).logits.float()
        save_file(
            {"input_ids": ids, "logits_fp32": logits.contiguous()}, root(model) / "reference_logits.safetensors")


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


# Out of Megatron


def check_logits():
    """Every checkpoint that Megatron has left, as transformers runs what becomes of it."""
    from transformers import AutoModelForCausalLM

    for tracker in sorted((GOLDEN / "megatron").glob("torch*/*/*/*/latest_checkpointed_iteration.txt")):
        source = tracker.parent
        model = source.parent.name.removesuffix("_legacynames")
        name = "-".join(["megatron-to-transformers", *source.relative_to(GOLDEN / "megatron").parts])
        with check(name):
            # That tool writes a rotary base of 10000 for every model.
            told = ["--hf-config", root(model)] if "mlm_0120_tool" in source.parts else []
            directory = convert(source, name, "--family", "same", *told)
            reference = load_file(root(model) / "reference_logits.safetensors")
            loaded = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager")
            with torch.no_grad():
                logits = loaded.eval()(reference["input_ids"]).logits
            expected = reference["logits_fp32"]
            distance = (logits[..., : expected.shape[-1]] - expected).abs().max().item()
            report(name, distance <= LIMIT, f"{distance:.1e} (at most {LIMIT:.0e})")


# Megatron itself


def megatron_model(configuration, tp, pp, vpp, chunk):
    from megatron.core import parallel_state
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_decoder_block_spec
    from megatron.core.transformer.dot_product_attention import DotProductAttention
    from megatron.core.transformer.transformer_config import MLATransformerConfig, TransformerConfig

    class LatentAttention(DotProductAttention):
        """Megatron's own attention, told that values need not be as long as keys, which only other modules can be."""

        def __init__(self, *arguments, k_channels=None, v_channels=0, **options):
            super().__init__(*arguments, **options)
            self.hidden_size_per_partition = v_channels * self.num_attention_heads_per_partition

    c = configuration
    kind = c["model_type"]
    if kind in CLASSICS:
        return classic_model(c, kind, tp, pp)
    rope = c.get("rope_parameters") or c
    is_latent = "kv_lora_rank" in c
    has_head_norms = kind.startswith("qwen3") or is_latent or kind in ("dots1", "hy_v3", "glm4_moe")
    experts = c.get("num_local_experts") or c.get("num_experts") or c.get("n_routed_experts")
    more = {}
    if experts:
        dense = (c.get("mlp_layer_types") or []).count("dense") or c.get("first_k_dense_replace", 0)
        is_sigmoid = kind == "deepseek_v3" or kind in ROUTERS
        groups = c.get("n_group") or 1
        more |= dict(
            num_moe_experts=experts, moe_router_topk=c["num_experts_per_tok"], moe_ffn_hidden_size=c["moe_intermediate_size"],
            moe_router_pre_softmax=not c.get("norm_topk_prob", True), moe_router_load_balancing_type="none",
            moe_token_dispatcher_type="allgather", expert_model_parallel_size=1, expert_tensor_parallel_size=tp,
            # A list, even of ones, would have Megatron look for each layer under a name of its own.
            moe_layer_freq=[0] * dense + [1] * (c["num_hidden_layers"] - dense) if dense else 1, moe_grouped_gemm=False,
            moe_shared_expert_intermediate_size=c.get("shared_expert_intermediate_size")
            or (c.get("n_shared_experts") or c.get("num_shared_experts") or 0) * c["moe_intermediate_size"] or None,
            moe_shared_expert_gate=kind == "qwen2_moe",
            moe_router_score_function="sigmoid" if is_sigmoid else "softmax", moe_router_enable_expert_bias=is_sigmoid,
            moe_router_num_groups=groups if groups > 1 else None,
            moe_router_group_topk=c["topk_group"] if groups > 1 else None,
            moe_router_topk_scaling_factor=c.get("routed_scaling_factor") or c.get("router_scaling_factor"))
    if is_latent:
        more |= dict(
            q_lora_rank=c["q_lora_rank"], kv_lora_rank=c["kv_lora_rank"], qk_head_dim=c["qk_nope_head_dim"],
            qk_pos_emb_head_dim=c["qk_rope_head_dim"], v_head_dim=c["v_head_dim"], rotary_base=rope["rope_theta"],
            rope_type="rope", rotary_scaling_factor=1)
        if rope["rope_type"] == "yarn":
            more |= dict(
                rope_type="yarn", rotary_scaling_factor=rope["factor"], mscale=rope["mscale"],
                mscale_all_dim=rope["mscale_all_dim"], beta_fast=rope["beta_fast"], beta_slow=rope["beta_slow"],
                original_max_position_embeddings=rope["original_max_position_embeddings"])
    config = (MLATransformerConfig if is_latent else TransformerConfig)(
        num_layers=c["num_hidden_layers"], hidden_size=c["hidden_size"], ffn_hidden_size=c["intermediate_size"],
        num_attention_heads=c["num_attention_heads"], num_query_groups=c["num_key_value_heads"],
        kv_channels=None if is_latent else c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"],
        normalization="RMSNorm", layernorm_epsilon=c["rms_norm_eps"], qk_layernorm=has_head_norms,
        gated_linear_unit=True, activation_func=torch.nn.functional.silu,
        add_bias_linear=False, add_qkv_bias=kind.startswith("qwen2") or kind == "glm4_moe", hidden_dropout=0, attention_dropout=0,
        tensor_model_parallel_size=tp, pipeline_model_parallel_size=pp, pipeline_dtype=torch.float32,
        virtual_pipeline_model_parallel_size=vpp if vpp > 1 else None,
        use_cpu_initialization=True, bias_dropout_fusion=False, apply_rope_fusion=False, bias_activation_fusion=False,
        masked_softmax_fusion=False, **more)
    stage = parallel_state.get_pipeline_model_parallel_rank()
    rows = 128 * tp
    spec = get_gpt_decoder_block_spec(
        config, use_transformer_engine=False, normalization="RMSNorm", vp_stage=chunk if vpp > 1 else None)
    if is_latent:
        for layer in spec.layer_specs:
            layer.submodules.self_attention.submodules.core_attention = LatentAttention
    return GPTModel(
        config, spec, vocab_size=-(-c["vocab_size"] // rows) * rows, max_sequence_length=c["max_position_embeddings"],
        position_embedding_type="rope", rotary_base=rope["rope_theta"],
        rotary_percent=1.0 if is_latent else rope.get("partial_rotary_factor", 1.0), share_embeddings_and_output_weights=c["tie_word_embeddings"], parallel_output=False,
        pre_process=stage == 0 and chunk == 0, post_process=stage == pp - 1 and chunk == vpp - 1,
        vp_stage=chunk if vpp > 1 else None).eval()


def classic_model(c, kind, tp, pp):
    from megatron.core import parallel_state
    from megatron.core.activations import squared_relu
    from megatron.core.models.gpt import GPTModel
    from megatron.core.models.gpt.gpt_layer_specs import get_gpt_decoder_block_spec
    from megatron.core.transformer.transformer_config import TransformerConfig

    def value(*keys):
        return next(c[key] for key in keys if c.get(key) is not None)

    norm = "RMSNorm" if kind == "arcee" else "LayerNorm"
    has_learned = kind.startswith("gpt")
    is_relu = kind in ("nemotron", "arcee")
    hidden, heads = value("hidden_size", "n_embd"), value("num_attention_heads", "n_head")
    groups = 1 if kind == "gpt_bigcode" else heads if kind == "gpt2" else c["num_key_value_heads"]
    config = TransformerConfig(
        num_layers=value("num_hidden_layers", "n_layer"), hidden_size=hidden,
        ffn_hidden_size=c.get("intermediate_size") or c.get("n_inner") or 4 * hidden, num_attention_heads=heads,
        num_query_groups=groups, kv_channels=c.get("head_dim") or hidden // heads, normalization=norm,
        layernorm_epsilon=value("rms_norm_eps", "norm_eps", "norm_epsilon", "layer_norm_epsilon") if norm == "LayerNorm" else c["rms_norm_eps"],
        gated_linear_unit=False, activation_func=squared_relu if is_relu else torch.nn.functional.gelu,
        # That is what computes GELU with tanh.
        bias_activation_fusion=not is_relu, add_bias_linear=not is_relu, hidden_dropout=0, attention_dropout=0,
        tensor_model_parallel_size=tp, pipeline_model_parallel_size=pp, pipeline_dtype=torch.float32,
        use_cpu_initialization=True, bias_dropout_fusion=False, apply_rope_fusion=False, masked_softmax_fusion=False)
    stage = parallel_state.get_pipeline_model_parallel_rank()
    rows = 128 * tp
    rope = c.get("rope_parameters") or {}
    return GPTModel(
        config, get_gpt_decoder_block_spec(config, use_transformer_engine=False, normalization=norm),
        vocab_size=-(-c["vocab_size"] // rows) * rows, max_sequence_length=value("max_position_embeddings", "n_positions"),
        position_embedding_type="learned_absolute" if has_learned else "rope", rotary_base=rope.get("rope_theta", 10000),
        rotary_percent=rope.get("partial_rotary_factor", 1.0), share_embeddings_and_output_weights=c["tie_word_embeddings"],
        parallel_output=False, pre_process=stage == 0, post_process=stage == pp - 1).eval()


def run_rank(rank, directory, source, tp, pp, vpp, port, results):
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    torch.set_num_threads(1)
    torch.cuda.current_device = lambda: "cpu"
    torch.Tensor.cuda = lambda tensor, *_, **__: tensor
    torch.distributed.init_process_group("gloo", rank=rank, world_size=tp * pp)
    from megatron.core import dist_checkpointing, parallel_state
    from megatron.core.tensor_parallel import random
    from megatron.core.transformer import multi_latent_attention
    from megatron.core.transformer.moe import moe_utils

    # Transformer Engine's, which is not there.
    moe_utils.te_general_gemm = getattr(moe_utils, "te_general_gemm", None)
    multi_latent_attention.HAVE_TE = False
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

    if configuration["model_type"] == "nemotron":
        # Norm weights are stored less one, which torch's norms do not know.
        with torch.no_grad():
            for name, values in models[0].named_parameters():
                if "layernorm" in name and name.endswith("weight"):
                    values += 1
    reference = load_file(source / "reference_logits.safetensors")
    ids, expected = reference["input_ids"], reference["logits_fp32"]
    length = ids.shape[1]
    hidden = torch.zeros(length, ids.shape[0], configuration.get("hidden_size") or configuration["n_embd"])
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
            limit = FAMILY_LIMIT if model in FAMILIES + ROUTERS + CLASSICS else LIMIT
            report(name, distance <= limit, f"{distance:.1e} (at most {limit:.0e})")


def check_routers():
    make_routers()
    for model in ROUTERS + CLASSICS:
        for tp, pp, vpp in [(1, 1, 1), (2, 1, 1), (1, 2, 1)]:
            if model == "gpt_bigcode" and tp > 1:  # one group of keys and values cannot be shared
                continue
            check_layout(model, tp, pp, vpp)
        check_distributed(model, [(1, 1)] if model == "gpt_bigcode" else [(1, 1), (2, 1)])


def main():
    if importlib.util.find_spec("megatron") is not None:
        check_routers()
    if not golden_or_skip("megatron"):
        return
    check_logits()
    for model in MODELS:
        check_loading(model)
    if importlib.util.find_spec("megatron") is None:
        print("skip megatron-core is not installed", flush=True)
        return
    for model in [*MODELS, "qwen3moe_bf16"]:
        for tp, pp, vpp in LAYOUTS:
            check_layout(model, tp, pp, vpp)
        check_distributed(model, [(1, 1), (2, 1), (2, 2)])
    make_families()
    for model in FAMILIES:
        for tp, pp, vpp in [(1, 1, 1), (2, 1, 1), (4, 1, 1), (1, 3, 1)]:
            check_layout(model, tp, pp, vpp)
        check_distributed(model, [(1, 1), (2, 1)])


def check_layout(model, tp, pp, vpp):
    name = f"megatron-core-{model}-tp{tp}-pp{pp}-vpp{vpp}"
    with check(name):
        directory = convert(
            root(model), name, "--to", "megatron", "--names", "local", "--tp", tp, "--pp", pp, "--vpp", vpp)
        check_megatron(model, name, directory, tp, pp, vpp)


def check_distributed(model, layouts):
    with check(f"megatron-dist-{model}"):
        directory = convert(root(model), f"megatron-dist-{model}", "--to", "megatron-dist", "--names", "local")
        for tp, pp in layouts:
            check_megatron(model, f"megatron-core-dist-{model}-tp{tp}-pp{pp}", directory, tp, pp, 1)


if __name__ == "__main__":
    main()
