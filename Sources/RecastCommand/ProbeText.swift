import ArgumentParser
import Recast
import RecastInference

struct ProbeText: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "probe",
        abstract: "Shows what each layer of a checkpoint does with a text.",
        discussion: """
            For each layer: the cosine distance between the hidden states before and behind it and their length, as means over \
            the tokens; the channels whose numbers are the largest; and the likeliest next tokens as they would be if the \
            model ended there, read off with its last norm and its head. Behind the last layer that is what it predicts.

            --attention shows how much each token takes from those before it in a layer: a mean over the heads, or one head; \
            --between shows two tokens in all heads.

            EXAMPLES:
              recast probe Qwen2.5-0.5B --prompt "The capital of France is"
              recast probe qwen.gguf --prompt "The capital of France is" --top 10 --position 2
              recast probe qwen.gguf --prompt "The cat sat. It was tired." --attention 12 --between 4,1
              recast probe qwen.gguf --prompt "The cat sat." --layers --attention 3 --report probe.html
            """)

    @Argument(help: "A directory, a .safetensors or .gguf file, or a file of a set.")
    var checkpoint: String

    @Option(help: "The text to look at.")
    var prompt: String

    @Flag(help: "Show the layers: the default, unless --attention is given.")
    var layers = false

    @Option(help: ArgumentHelp("Likeliest tokens to show of each layer.", valueName: "n"))
    var top = 5

    @Option(
        parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "The token after which the next ones are read off; the last by default. From 0, or from the end: -1 is the last. May be repeated.",
            valueName: "i"))
    var position: [Int] = []

    @Option(help: ArgumentHelp("Show the attention of this layer.", valueName: "layer"))
    var attention: Int?

    @Option(help: ArgumentHelp("Of this head alone.", valueName: "head"))
    var head: Int?

    @Option(help: ArgumentHelp("What the first of two tokens takes from the second, in each head.", valueName: "i,j"))
    var between: TokenPair?

    @Flag(help: "Find special tokens in the prompt; otherwise they are text like any other.")
    var special = false

    @OptionGroup(title: "Report") var report: ReportFileOptions
    @OptionGroup(title: "Tokenizer") var tokenizer: TokenizerOptions
    @OptionGroup(title: "Precision") var precision: PrecisionOptions
    @OptionGroup(title: "Resources") var resources: ResourceOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    struct TokenPair: ExpressibleByArgument {
        var query: Int
        var key: Int

        init?(argument: String) {
            let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
            guard parts.count == 2, let query = parts[0], let key = parts[1] else { return nil }
            (self.query, self.key) = (query, key)
        }
    }

    func validate() throws {
        if !(1...1000).contains(top) { throw ValidationError("--top takes a number from 1 to 1000") }
        if attention == nil {
            if head != nil { throw ValidationError("--head is for --attention") }
            if between != nil { throw ValidationError("--between is for --attention") }
        }
        if head != nil, between != nil { throw ValidationError("--between shows all heads; --head is for the map") }
    }

    /// Whether layers are shown.
    private var showsLayers: Bool { layers || attention == nil }

    func run() throws {
        let files = try Checkpoint(path: checkpoint)
        try files.verifyChecksums(workers: resources.jobs)
        let model = try Model(files)
        try report.check(besides: model.sources.files)
        let loaded = try LoadedTokenizer(model, tokenizer)
        output.notes(model.notes + (try precision.notes(on: model)), warnings: model.warnings)
        output.notes(
            SpecialTokensNote.notes(loaded.tokenizer, prompt, of: "the prompt", areParsed: special), warnings: [])
        let ids = try loaded.tokenizer.encode(prompt, parsingSpecial: special, addingSpecial: true)
        guard !ids.isEmpty else { throw RecastError.usage("the prompt makes no tokens") }
        guard ids.count <= model.graph.configuration.contextLength else {
            throw RecastError.usage(
                "the prompt has \(ids.count) tokens, more than the \(model.graph.configuration.contextLength) the model can see"
            )
        }
        let positions = try (position.isEmpty ? [-1] : position).map { try place($0, ids.count, "--position") }
        let pair = try between.map {
            (query: try place($0.query, ids.count, "--between"), key: try place($0.key, ids.count, "--between"))
        }
        if let pair, pair.key > pair.query {
            throw RecastError.usage(
                "--between: token \(pair.query) sees nothing of token \(pair.key), which comes after it")
        }
        if let head, !(0..<model.graph.configuration.headCount).contains(head) {
            throw RecastError.usage("there is no head \(head) among \(model.graph.configuration.headCount)")
        }
        let display = output.quiet ? nil : ProgressDisplay("probing", unit: .fraction)
        defer { display?.finish() }
        let pass = try ForwardPass(
            model.graph, files: model.sources, options: resources.passOptions(display, precision))
        let probe = try pass.probe(
            ids, Probe.Options(positions: showsLayers ? positions : [], top: top, attentionLayer: attention))
        display?.finish()
        let found = ProbeOutput(
            probe: probe, tokens: ids, positions: positions, tokenizer: loaded.tokenizer, attention: attention,
            head: head, between: pair, showsLayers: showsLayers)
        try report.showing(output, of: model.sources.files) {
            found.page(checkpoint: checkpoint, prompt: prompt, model.notes, model.warnings)
        } _: {
            if output.json {
                try Console.document(found.document(model: checkpoint, prompt: prompt, precision))
            } else {
                try found.show()
            }
        }
    }

    /// - Parameter index: from 0, or from the end on.
    private func place(_ index: Int, _ count: Int, _ option: String) throws -> Int {
        let place = index < 0 ? count + index : index
        guard (0..<count).contains(place) else {
            throw RecastError.usage("\(option): there is no token \(index) among \(count)")
        }
        return place
    }
}
