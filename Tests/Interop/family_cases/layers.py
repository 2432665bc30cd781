"""Layers that differ from each other, and others of 2025 and 2026: Gemma 4, Llama 4, Apertus."""

from .common import LLAMA3, ROPE

GEMMA4_ROPES = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
    "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0}}
GEMMA4 = dict(
    num_hidden_layers=4, layer_types=["sliding_attention", "full_attention"] * 2, sliding_window=5, head_dim=8, global_head_dim=16,
    hidden_size_per_layer_input=0, tie_word_embeddings=True, rope_parameters=GEMMA4_ROPES)
GEMMA4_LARGE = GEMMA4 | dict(attention_k_eq_v=True, num_global_key_value_heads=1, final_logit_softcapping=30.0)
CASES = {
    # As 31B, 26B-A4B and E2B are.
    "gemma4_text": ("Gemma4TextConfig", GEMMA4_LARGE, {}),
    "gemma4_moe": ("Gemma4TextConfig", GEMMA4_LARGE | dict(
        num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"], enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=16), {}),
    "gemma4_text-small": ("Gemma4TextConfig", GEMMA4 | dict(
        intermediate_size=32, num_kv_shared_layers=2, use_double_wide_mlp=True, hidden_size_per_layer_input=8, vocab_size_per_layer_input=64), {}),
    "gemma4_unified_text": ("Gemma4UnifiedTextConfig", {
        key: value for key, value in GEMMA4_LARGE.items() if not key.startswith("hidden_size_per")} | dict(
            num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"]), {}),
    "llama4_text": ("Llama4TextConfig", dict(
        num_hidden_layers=4, head_dim=8, intermediate_size=16, intermediate_size_mlp=48, interleave_moe_layer_step=2,
        num_local_experts=4, num_experts_per_tok=1, attention_chunk_size=5, floor_scale=4, attn_scale=0.5,
        rope_parameters=LLAMA3), {}),
    "apertus": ("ApertusConfig", dict(rope_parameters=LLAMA3), {}),
}
# The sizes that a case has in `make interop`.
WIDE = dict(num_hidden_layers=4, head_dim=32, global_head_dim=64)
SIZES = {
    "gemma4_text": WIDE, "gemma4_unified_text": WIDE | dict(layer_types=GEMMA4["layer_types"]), "gemma4_moe": WIDE | dict(layer_types=GEMMA4["layer_types"]),
    "llama4_text": dict(num_hidden_layers=5, head_dim=32, intermediate_size_mlp=512),
    "gemma4_text-small": WIDE | dict(hidden_size_per_layer_input=64, vocab_size_per_layer_input=256)}
VARIANTS = [
    ("gemma4_text-apart", "gemma4_text", dict(
        attention_k_eq_v=False, num_global_key_value_heads=None, final_logit_softcapping=None, sliding_window=24,
        layer_types=["full_attention", "sliding_attention", "sliding_attention", "full_attention"])),
    ("gemma4_text-turned", "gemma4_text", dict(num_key_value_heads=8, rope_parameters=GEMMA4_ROPES | {
        "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.7, "factor": 2.0, "rope_theta": 50000.0}})),
    ("gemma4_text-whole", "gemma4_text", dict(rope_parameters=GEMMA4_ROPES | {"full_attention": ROPE})),
    ("gemma4_text-full", "gemma4_text", dict(layer_types=["full_attention"] * 4)),
    ("gemma4_text-biases", "gemma4_text", dict(attention_bias=True, tie_word_embeddings=False)),
    ("gemma4_text-inputs", "gemma4_text", dict(hidden_size_per_layer_input=96, vocab_size_per_layer_input=256)),
    ("gemma4_text-shared", "gemma4_text-small", dict(
        num_hidden_layers=7, num_kv_shared_layers=4, use_double_wide_mlp=False, hidden_size_per_layer_input=32, sliding_window=20,
        layer_types=["sliding_attention", "full_attention", "sliding_attention", "sliding_attention", "full_attention",
                     "sliding_attention", "full_attention"])),
    ("gemma4_moe-shared", "gemma4_moe", dict(
        num_experts=8, top_k_experts=3, num_kv_shared_layers=2, hidden_size_per_layer_input=32, vocab_size_per_layer_input=256)),
    ("llama4_text-published", "llama4_text", dict(
        num_hidden_layers=8, interleave_moe_layer_step=1, attention_chunk_size=8192, floor_scale=8192, attn_scale=0.1,
        num_local_experts=16, rope_parameters=LLAMA3 | {"low_freq_factor": 1.0, "high_freq_factor": 1.0, "factor": 16.0})),
    ("llama4_text-128", "llama4_text", dict(
        num_hidden_layers=4, use_qk_norm=False, attention_chunk_size=8192, floor_scale=8192, attn_scale=0.1,
        num_local_experts=128, intermediate_size=32, rope_parameters=ROPE)),
    ("llama4_text-layers", "llama4_text", dict(
        num_hidden_layers=6, no_rope_layers=[0, 1, 1, 0, 1, 1], moe_layers=[0, 3], attention_chunk_size=24,
        layer_types=["chunked_attention", "full_attention"] * 3, num_experts_per_tok=3, tie_word_embeddings=True)),
    ("llama4_text-plain", "llama4_text", dict(attn_temperature_tuning=False, attention_bias=True, num_key_value_heads=8)),
    ("llama4_text-dense", "llama4_text", dict(moe_layers=[], attention_chunk_size=8192)),
    ("apertus-usual", "apertus", dict(rope_parameters=None, num_key_value_heads=8)),
    ("apertus-biases", "apertus", dict(attention_bias=True, rope_parameters=ROPE)),
    ("apertus-relu2", "apertus", dict(hidden_act="relu2")),
]
NO_GGUF = {
    "gemma4_text-biases", "gemma4_text-shared", "llama4_text-layers", "llama4_text-plain", "llama4_text-dense", "apertus-relu2"}
INEXACT = set()
# It does not load models without windows.
NO_PROGRAM = {"gemma4_text-full", "llama4_text-wide"}
