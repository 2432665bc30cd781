#!/usr/bin/env bash
# The main job on a small trained model: look at it, convert it twice, and show that it still says the same thing.
set -euo pipefail
recast=$1
fixture=$(dirname "$0")/qwen2-tiny
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# So that what is typed here can be typed by a reader, too.
say() { printf '\n$ recast %s\n' "$*"; }
cp -r "$fixture" "$work/qwen2-tiny"
cd "$work"
recast=$(cd "$OLDPWD" && realpath "$recast")

say inspect qwen2-tiny
"$recast" inspect qwen2-tiny
say convert qwen2-tiny qwen2-tiny-llama --family llama
"$recast" convert qwen2-tiny qwen2-tiny-llama --family llama
say convert qwen2-tiny-llama qwen2-tiny-q4_0.gguf --encoding q4_0
"$recast" convert qwen2-tiny-llama qwen2-tiny-q4_0.gguf --encoding q4_0

# The value of a key of one channel, from indented JSON.
value() { awk -v channel="$2" -v key="\"$3\":" '
    index($0, "\"" channel "\"") { inside = 1 }
    inside && index($0, key) { gsub(/[",]/, "", $2); print $2; exit }' "$1"; }

channels="prose code poetry"
for model in qwen2-tiny qwen2-tiny-llama qwen2-tiny-q4_0.gguf; do
    "$recast" perplexity "$model" --context 256 --json --quiet \
        --text prose=qwen2-tiny/text/prose.txt --text code=qwen2-tiny/text/code.txt \
        --text poetry=qwen2-tiny/text/poetry.txt > "$model.json"
done

printf '\nperplexity, context 256%22s' ""
for channel in $channels; do printf '%10s' "$channel"; done
printf '\n'
row() {
    printf '%-45s' "$1"
    for channel in $channels; do printf '%10.4f' "$(value "$2" "$channel" perplexity)"; done
    printf '\n'
}
row "reference (transformers, float32)" qwen2-tiny/reference.json
row "qwen2-tiny           as published" qwen2-tiny.json
row "qwen2-tiny-llama     llama layout" qwen2-tiny-llama.json
row "qwen2-tiny-q4_0.gguf 4.9 bits per weight" qwen2-tiny-q4_0.gguf.json

# The first two are the same numbers as the reference's; four bits may cost two percent.
failed=0
for channel in $channels; do
    reference=$(value qwen2-tiny/reference.json "$channel" perplexity)
    for check in qwen2-tiny:1e-5 qwen2-tiny-llama:1e-5 qwen2-tiny-q4_0.gguf:2e-2; do
        model=${check%:*}
        awk -v a="$(value "$model.json" "$channel" perplexity)" -v b="$reference" -v limit="${check#*:}" '
            BEGIN { d = (a - b) / b; if (a == "" || d > limit || -d > limit) exit 1 }' || {
            echo "FAILED: $model is off the reference on $channel" >&2
            failed=1
        }
    done
done
[ $failed = 0 ] && printf '\nall perplexities agree with the reference\n'
exit $failed
