// Mistral 7B, Nemo, Small, Ministral. Source: Specs/families.md §3.2.
extension Family {
    static let mistral = Family(
        "mistral", architectures: ["MistralForCausalLM"], modelType: "mistral", slidingWindow: .everywhere,
        defaults: Defaults(contextLength: 131072, keyValueHeadCount: 8, slidingWindow: 4096)
    ) {
        Row.llamaNames()
    }
}
