"""Random models of transformers' own classes: Recast's pass computes what they compute, of their layout, of GGUF and of llama's."""

import warnings

import torch
import transformers

from likelihoods import compare, likelihood, measured
from referee import WORK, bytes_tokenizer, check, convert

warnings.filterwarnings("ignore")
TEXT = bytes(33 + (7 * i * i + 3 * i) % 90 for i in range(90))
USUAL = {
    "vocab_size": 256, "hidden_size": 64, "intermediate_size": 112, "num_hidden_layers": 6, "num_attention_heads": 8,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": None,
}  # fmt: skip
LATENT = {
    "num_key_value_heads": 8, "q_lora_rank": 24, "kv_lora_rank": 16, "qk_nope_head_dim": 12, "qk_rope_head_dim": 8,
    "v_head_dim": 10, "moe_intermediate_size": 24, "n_routed_experts": 8, "num_experts_per_tok": 3, "n_group": 4,
    "topk_group": 2, "first_k_dense_replace": 1, "head_dim": 8, "n_shared_experts": 2,
}  # fmt: skip
LONGROPE = {
    "rope_type": "longrope", "rope_theta": 10000.0, "short_factor": [1.0, 1.1, 1.3], "long_factor": [1.0, 2.0, 5.0],
    "original_max_position_embeddings": 32,
}  # fmt: skip
YARN = {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0, "original_max_position_embeddings": 32}
# Name, class of the configuration, what is unusual, and whether llama can say it.
CASES = [
    ("llama-yarn", "LlamaConfig", {"rope_parameters": YARN}, True),
    ("llama-dynamic", "LlamaConfig",
     {"max_position_embeddings": 64, "rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}}, True),
    ("mistral-nemo", "MistralConfig", {"head_dim": 16, "sliding_window": None}, True),
    ("qwen2-tied", "Qwen2Config", {"tie_word_embeddings": True}, True),
    ("qwen2-window", "Qwen2Config", {"use_sliding_window": True, "sliding_window": 11, "max_window_layers": 2}, False),
    ("gemma3", "Gemma3TextConfig", {"head_dim": 16, "sliding_window": 13, "query_pre_attn_scalar": 20}, False),
    ("gemma2", "Gemma2Config", {"head_dim": 8, "sliding_window": 13, "query_pre_attn_scalar": 8}, False),
    ("helium", "HeliumConfig", {"head_dim": 8}, True),
    ("ernie4_5", "Ernie4_5Config", {"head_dim": 16, "use_bias": False}, True),
    ("ernie4_5-biases", "Ernie4_5Config", {"head_dim": 16, "use_bias": True}, True),
    ("seed_oss", "SeedOssConfig", {"head_dim": 16}, True),
    ("seed_oss-out-bias", "SeedOssConfig", {"head_dim": 16, "attention_out_bias": True, "mlp_bias": True}, True),
    ("deepseek_v2", "DeepseekV2Config", LATENT | {"topk_method": "group_limited_greedy", "norm_topk_prob": False}, False),
    ("deepseek_v2-plain", "DeepseekV2Config", LATENT | {"q_lora_rank": None, "topk_method": "greedy"}, False),
    ("deepseek_v3", "DeepseekV3Config", LATENT, False),
    ("deepseek_v3-yarn", "DeepseekV3Config",
     LATENT | {"rope_parameters": YARN | {"mscale": 1.0, "mscale_all_dim": 1.0}}, False),
    ("phi4-mini", "Phi3Config",
     {"rope_parameters": LONGROPE | {"partial_rotary_factor": 0.75}, "original_max_position_embeddings": 32,
      "tie_word_embeddings": True, "hidden_size": 64, "num_attention_heads": 8}, True),
    ("qwen3_moe", "Qwen3MoeConfig",
     {"num_experts": 12, "num_experts_per_tok": 3, "moe_intermediate_size": 24, "head_dim": 16, "norm_topk_prob": True},
     False),
    ("olmo-clip", "OlmoConfig", {"clip_qkv": 0.4}, False),
    ("olmo2", "Olmo2Config", {}, False),
    ("glm4", "Glm4Config", {"head_dim": 8}, False),
    ("stablelm", "StableLmConfig", {"use_qkv_bias": True}, False),
    ("granite", "GraniteConfig", {"embedding_multiplier": 6.0, "logits_scaling": 4.0, "residual_multiplier": 0.3,
                                  "attention_multiplier": 0.2, "tie_word_embeddings": True}, True),
]  # fmt: skip


def model_of(kind, unusual):
    torch.manual_seed(len(kind))
    config = getattr(transformers, kind)(**(USUAL | unusual))
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            norm = name.endswith("norm.weight") and parameter.ndim == 1
            parameter.copy_(torch.randn_like(parameter) * (0.1 if norm else 0.12) + (0 if "Gemma" in kind else 1) * norm)
        for name, buffer in model.named_buffers():
            if "e_score_correction_bias" in name:
                buffer.copy_(torch.randn_like(buffer) * 0.1)
    return model


(WORK / "text.txt").write_bytes(TEXT)
tokenizer = bytes_tokenizer()
for name, kind, unusual, is_llama in CASES:
    with check(f"random-{name}"):
        if not hasattr(transformers, kind):
            print("skip", f"random-{name}: this transformers has no {kind}", flush=True)
            continue
        model = model_of(kind, unusual)
        source = WORK / name
        model.save_pretrained(source)
        expected = likelihood(model, list(TEXT))
        compare(f"random-{name}", measured(source, "--tokenizer", tokenizer), expected)
        own = convert(source, f"{name}-own", "--family", "same")
        compare(f"random-{name}-own", likelihood(transformers.AutoModelForCausalLM.from_pretrained(own), list(TEXT)), expected)
        if is_llama:
            llama = convert(source, f"{name}-llama", "--family", "llama")
            loaded = transformers.AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float32)
            compare(f"random-{name}-llama", likelihood(loaded, list(TEXT)), expected)
        if name == "phi4-mini":
            for other in ("qwen2", "seed_oss", "mistral", "ernie4_5"):
                loaded = transformers.AutoModelForCausalLM.from_pretrained(
                    convert(source, f"{name}-as-{other}", "--family", other), dtype=torch.float32)
                compare(f"random-{name}-as-{other}", likelihood(loaded, list(TEXT)), expected)
        # llama.cpp has no Helium, and no biases of feed-forward parts in these two architectures.
        if name not in ("helium", "ernie4_5-biases", "seed_oss-out-bias"):
            # Another attention scale than the usual has no key in GGUF; what Recast reads knows it all the same.
            inexact = ["--allow-inexact"] if name == "gemma3" else []
            gguf = convert(
                source, f"{name}.gguf", "--tokenizer", tokenizer, "--pre-tokenizer", "gpt-2", *inexact)
            compare(f"random-{name}-gguf", measured(gguf), expected)
