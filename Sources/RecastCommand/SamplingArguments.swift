import ArgumentParser
import RecastInference

/// How the next tokens are chosen, and when a text ends.
struct SamplingArguments: ParsableArguments {
    @Option(help: ArgumentHelp("Tokens to add at most.", valueName: "n"))
    var maxTokens = 128

    @Option(help: ArgumentHelp("0 takes the likeliest token; 1 draws by probability.", valueName: "t"))
    var temperature = 0.0

    @Option(help: ArgumentHelp("Draw from so many of the likeliest tokens.", valueName: "k"))
    var topK: Int?

    @Option(help: ArgumentHelp("Draw from the likeliest tokens with this probability together.", valueName: "p"))
    var topP: Double?

    @Option(help: ArgumentHelp("Draw from tokens with this part of the likeliest one's probability.", valueName: "p"))
    var minP: Double?

    @Option(help: ArgumentHelp("Seed of the draws.", valueName: "n"))
    var seed: UInt64?

    @Option(
        help: ArgumentHelp(
            "Divide positive logits of tokens that are in the text by this, and multiply negative ones.", valueName: "x"
        ))
    var repeatPenalty: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Subtract this from the logit of each token that is in the text.", valueName: "x"))
    var presencePenalty: Double?

    @Option(parsing: .unconditional, help: ArgumentHelp("Subtract this for each time that it is.", valueName: "x"))
    var frequencyPenalty: Double?

    @Option(help: ArgumentHelp("Tokens that penalties look back on; all by default.", valueName: "n"))
    var repeatLastN: Int?

    @Option(
        help: ArgumentHelp("Follow so many texts, and give the likeliest in the end.", valueName: "n"))
    var beams: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "With --beams: divide a text's score by its length to this power; 1 by default.", valueName: "x"))
    var lengthPenalty: Double?

    @Option(help: ArgumentHelp("End the text before this word. May be repeated.", valueName: "word"))
    var stop: [String] = []

    func validate() throws {
        if maxTokens < 0 { throw ValidationError("--max-tokens takes a number from 0 on") }
        let draws: [(String, Bool)] = [
            ("--top-k", topK != nil), ("--top-p", topP != nil), ("--min-p", minP != nil), ("--seed", seed != nil),
        ]
        if temperature == 0, let option = draws.first(where: \.1)?.0 {
            throw ValidationError(
                "\(option) is for draws: without --temperature the likeliest token is taken each time")
        }
        let penalties: [(String, Bool)] = [
            ("--repeat-penalty", repeatPenalty != nil), ("--presence-penalty", presencePenalty != nil),
            ("--frequency-penalty", frequencyPenalty != nil),
        ]
        if repeatLastN != nil, !penalties.contains(where: \.1) {
            throw ValidationError("--repeat-last-n is for penalties, of which none is given")
        }
        if let repeatLastN, repeatLastN < 0 { throw ValidationError("--repeat-last-n takes a number from 0 on") }
        if stop.contains("") { throw ValidationError("--stop takes a word") }
        guard let beams else {
            if lengthPenalty != nil { throw ValidationError("--length-penalty is for --beams") }
            return
        }
        guard (1...1000).contains(beams) else { throw ValidationError("--beams takes a number from 1 to 1000") }
        let others = [("--temperature", temperature != 0), ("--stop", !stop.isEmpty)] + draws + penalties
        if let option = others.first(where: \.1)?.0 {
            throw ValidationError("\(option) is not for --beams, which looks for the likeliest text")
        }
    }

    func settings(stopTokens: [Int]) -> Generator.Settings {
        Generator.Settings(
            maximumTokens: maxTokens,
            sampling: SamplingSettings(
                temperature: temperature, topK: topK, topP: topP, minP: minP,
                penalties: TokenPenalties(
                    repetition: repeatPenalty ?? 1, presence: presencePenalty ?? 0, frequency: frequencyPenalty ?? 0,
                    window: repeatLastN),
                seed: seed ?? 0),
            stopTokens: stopTokens)
    }

    /// The options as words, for a process that is to do the same.
    var words: [String] {
        func option(_ name: String, _ value: (some CustomStringConvertible)?) -> [String] {
            value.map { ["\(name)=\($0)"] } ?? []
        }
        return option("--max-tokens", maxTokens as Int?) + option("--temperature", temperature as Double?)
            + option("--top-k", topK) + option("--top-p", topP) + option("--min-p", minP) + option("--seed", seed)
            + option("--repeat-penalty", repeatPenalty) + option("--presence-penalty", presencePenalty)
            + option("--frequency-penalty", frequencyPenalty) + option("--repeat-last-n", repeatLastN)
            + option("--beams", beams) + option("--length-penalty", lengthPenalty) + stop.map { "--stop=\($0)" }
    }
}
