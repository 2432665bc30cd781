#pragma once
#include <oniguruma.h>

// What Swift cannot call: macros, variables that C may change, and a function of variable arguments.

static inline int onig_shim_initialize(unsigned int depth) {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    int code = onig_initialize(encodings, 1);
    return code == ONIG_NORMAL ? onig_set_parse_depth_limit(depth) : code;
}

/// The syntax and options are those that `tokenizers` compiles with.
static inline int onig_shim_new(OnigRegex *regex, const OnigUChar *pattern, const OnigUChar *end, OnigErrorInfo *info) {
    return onig_new(regex, pattern, end, ONIG_OPTION_NONE, ONIG_ENCODING_UTF8, ONIG_SYNTAX_DEFAULT, info);
}

/// Writes at most ONIG_MAX_ERROR_MESSAGE_LEN bytes and returns how many.
static inline int onig_shim_describe(OnigUChar *text, int code, OnigErrorInfo *info) {
    return info ? onig_error_code_to_str(text, code, info) : onig_error_code_to_str(text, code);
}
