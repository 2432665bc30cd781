/// Where a checkpoint can go, and what becomes of its numbers on the way.
public struct ReachableTargets: Sendable, Hashable {
    public enum Outcome: Sendable, Hashable {
        case possible(Exactness)
        case refused(reason: String)
    }

    /// What `convert` would be told: `llama layout`, `gguf`, …
    public var target: String
    public var outcome: Outcome

    /// Plans the conversion to every target, reading no tensors but the evidence that planning needs.
    public static func of(_ model: Model) -> [ReachableTargets] {
        let families = Family.all.map {
            ("huggingface, \($0.name) layout", ConversionOptions.Target.huggingFace(family: $0.name))
        }
        let others: [(String, ConversionOptions.Target)] = [
            ("gguf", .gguf), ("megatron", .megatron(MegatronTarget(.ranks))),
            ("megatron-dist", .megatron(MegatronTarget(.distributed))),
        ]
        return (families + others).map { name, target in
            do throws(RecastError) {
                let plan = try Planning(model, ConversionOptions(target: target)).plan(destination: "model.gguf")
                return ReachableTargets(target: name, outcome: .possible(plan.exactness))
            } catch {
                return ReachableTargets(target: name, outcome: .refused(reason: error.summary))
            }
        }
    }
}
