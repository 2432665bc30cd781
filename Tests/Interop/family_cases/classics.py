"""The models before llama, and those that kept to their ways: LayerNorm with biases, feed-forward without a gate, learned positions,
biases by distance, branches in parallel."""

from .common import HALF, ROPE

GPT2 = dict(hidden_size="n_embd", num_hidden_layers="n_layer", num_attention_heads="n_head", max_position_embeddings="n_positions",
            intermediate_size=None, num_key_value_heads=None)
# What the usual keys are called; None for those that are not there.
KEYS = {
    "gpt2": GPT2, "gpt_bigcode": GPT2, "gptj": GPT2, "codegen": GPT2,
    "gpt_neox": dict(num_key_value_heads=None),
    "opt": dict(intermediate_size="ffn_dim", num_key_value_heads=None),
    # llama.cpp's converter takes 2048 positions for granted.
    "falcon": dict(intermediate_size=None, num_key_value_heads=None, max_position_embeddings=None),
    "bloom": dict(num_hidden_layers="n_layer", num_attention_heads="n_head", intermediate_size=None, num_key_value_heads=None,
                  max_position_embeddings="seq_length"),
    "mpt": dict(hidden_size="d_model", num_hidden_layers="n_layers", num_attention_heads="n_heads",
                max_position_embeddings="max_seq_len", intermediate_size=None, num_key_value_heads=None),
}
KEYS |= {"falcon-alibi": KEYS["falcon"], "falcon40b": KEYS["falcon"], "opt-projected": KEYS["opt"]}
TIED = dict(tie_word_embeddings=True)
SERIAL = dict(alibi=True, multi_query=False, parallel_attn=False, bias=True)
CASES = {
    "nemotron": ("NemotronConfig", dict(intermediate_size=64, rope_parameters=HALF), {}),
    "starcoder2": ("Starcoder2Config", dict(intermediate_size=64, rope_parameters=ROPE) | TIED, {}),
    "phi": ("PhiConfig", dict(intermediate_size=128, num_key_value_heads=4, rope_parameters=HALF), {}),
    "gpt_neox": ("GPTNeoXConfig", dict(intermediate_size=64, rope_parameters=HALF), {"rotary_pct": 0.5, "rotary_emb_base": 10000}),
    "gpt2": ("GPT2Config", TIED, {"n_ctx": 64}),
    "gpt_bigcode": ("GPTBigCodeConfig", TIED, {}),
    "opt": ("OPTConfig", dict(intermediate_size=64) | TIED, {}),
    # Of the number of keys llama.cpp's converter believes the one, transformers the other.
    "falcon": ("FalconConfig", dict(num_kv_heads=1, rope_parameters=ROPE) | TIED, {}),
    "falcon-alibi": ("FalconConfig", SERIAL | TIED, {}),
    "falcon40b": ("FalconConfig", dict(new_decoder_architecture=True, num_kv_heads=2, num_ln_in_parallel_attn=2, rope_parameters=ROPE), {}),
    "bloom": ("BloomConfig", TIED, {}),
    # As it is spelled where it was published.
    "mpt": ("MptConfig", dict(attn_config={"clip_qkv": 1.5}) | TIED, {"architectures": ["MPTForCausalLM"]}),
    "gptj": ("GPTJConfig", dict(rotary_dim=4), {}),
    "codegen": ("CodeGenConfig", dict(rotary_dim=4), {}),
    # The one of 350M.
    "opt-projected": ("OPTConfig", dict(
        intermediate_size=64, do_layer_norm_before=False, word_embed_proj_dim=24) | TIED, {}),
}
VARIANTS = [
    ("nemotron-biases", "nemotron", dict(attention_bias=True, mlp_bias=True, rope_parameters=ROPE | {"partial_rotary_factor": 1.0})),
    ("nemotron-linear", "nemotron", dict(
        head_dim=32, rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 5000.0, "partial_rotary_factor": 0.25})),
    ("starcoder2-window", "starcoder2", dict(sliding_window=20, num_key_value_heads=8, tie_word_embeddings=False)),
    ("starcoder2-plain", "starcoder2", dict(use_bias=False)),
    ("phi-norms", "phi", dict(qk_layernorm=True, num_key_value_heads=2, hidden_act="gelu")),
    ("phi-whole", "phi", dict(num_key_value_heads=8, intermediate_size=1024, rope_parameters=ROPE | {"partial_rotary_factor": 1.0})),
    ("gpt_neox-serial", "gpt_neox", dict(use_parallel_residual=False, hidden_act="gelu_fast", rope_parameters=ROPE | {
        "partial_rotary_factor": 0.25})),
    ("gpt_neox-plain", "gpt_neox", dict(attention_bias=False)),
    ("gpt2-inner", "gpt2", dict(n_inner=320, tie_word_embeddings=False, reorder_and_upcast_attn=True)),
    ("gpt2-unscaled", "gpt2", dict(scale_attn_weights=False, activation_function="relu")),
    ("gpt2-by-layer", "gpt2", dict(scale_attn_by_inverse_layer_idx=True)),
    ("gpt_bigcode-heads", "gpt_bigcode", dict(multi_query=False, n_inner=320)),
    ("opt-plain", "opt", dict(layer_norm_elementwise_affine=False, enable_bias=False, activation_function="gelu")),
    ("opt-projected-wide", "opt-projected", dict(word_embed_proj_dim=128)),
    ("opt-untied", "opt-projected", dict(word_embed_proj_dim=320, tie_word_embeddings=False)),
    ("opt-no-last-norm", "opt", dict(_remove_final_layer_norm=True)),
    ("falcon-grouped", "falcon", dict(new_decoder_architecture=True, num_kv_heads=4, num_ln_in_parallel_attn=1)),
    ("falcon-serial", "falcon", SERIAL | dict(alibi=False, num_kv_heads=8)),
    ("falcon-alibi-16", "falcon-alibi", dict(num_attention_heads=16, ffn_hidden_size=320)),
    ("falcon40b-biases", "falcon40b", dict(bias=True, num_kv_heads=1)),
    ("bloom-12", "bloom", dict(num_attention_heads=12, hidden_size=192)),
    ("mpt-12", "mpt", dict(num_attention_heads=12, hidden_size=192, attn_config={"softmax_scale": 0.2})),
    ("gptj-whole", "gptj", dict(rotary_dim=32, n_inner=320)),
    ("codegen-8", "codegen", dict(rotary_dim=16)),
]
NO_GGUF = {
    "opt", "falcon-alibi", "gptj", "codegen", "opt-wide", "opt-projected", "opt-projected-wide", "opt-untied", "opt-no-last-norm", "gptj-wide", "codegen-wide", "falcon-alibi-wide", "opt-plain", "phi-norms",
    "gpt2-unscaled", "gpt2-by-layer", "falcon-serial", "falcon-alibi-16", "falcon40b-biases", "mpt-12", "gptj-whole", "codegen-8"}
INEXACT = set()
# Its loader needs biases, or the window is not there.
NO_PROGRAM = {"starcoder2-plain", "gpt_neox-plain", "starcoder2-window"}
