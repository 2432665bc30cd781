import Recast
import RecastInference

/// A model that answers prompts.
final class PromptAnswerer {
    private let loaded: LoadedTokenizer
    private let generator: Generator
    private let sampling: SamplingArguments
    private let settings: Generator.Settings
    private let reading: PromptOptions
    private let chat: ModelChat

    init(
        _ model: Model, _ loaded: LoadedTokenizer, _ sampling: SamplingArguments, _ reading: PromptOptions,
        _ options: PassOptions
    ) throws {
        self.loaded = loaded
        self.sampling = sampling
        self.reading = reading
        chat = try loaded.chat(reading.template)
        let special = loaded.vocabulary.special
        settings = sampling.settings(
            stopTokens: try model.stopTokens() + [special.eos, special.endOfTurn].compactMap(\.self))
        generator = try Generator(model.graph, files: model.sources, options: options)
    }

    /// Answers some prompts together. What is wrong with one of them is its answer.
    ///
    /// - Throws: `interrupted`.
    func answers(_ lines: [PromptLine]) throws(RecastError) -> [PromptAnswer] {
        var answers: [Int: PromptAnswer] = [:]
        var prompts: [(line: PromptLine, ids: [Int32])] = []
        for line in lines {
            do throws(RecastError) {
                let ids = try self.ids(of: line)
                try generator.check(ids, settings)
                prompts.append((line, ids))
            } catch {
                answers[line.index] = PromptAnswer(index: line.index, id: line.id, .failure(error.summary))
            }
        }
        for answer in try generated(prompts) { answers[answer.index] = answer }
        return lines.map { answers[$0.index]! }
    }

    private func ids(of line: PromptLine) throws(RecastError) -> [Int32] {
        switch line.content {
        case .text(let text):
            guard reading.chat else {
                return try loaded.tokenizer.encode(text, parsingSpecial: reading.special, addingSpecial: true)
            }
            return try ids(of: Conversation(messages: [["role": "user", "content": .string(text)]]))
        case .conversation(let conversation): return try ids(of: conversation)
        case .bad(let message): throw RecastError(.malformedInput, message)
        }
    }

    private func ids(of conversation: Conversation) throws(RecastError) -> [Int32] {
        var conversation = conversation
        if let system = reading.system, conversation.messages.first?["role"]?.string != "system" {
            conversation.messages.insert(["role": "system", "content": .string(system)], at: 0)
        }
        let text = try chat.template(for: conversation).render(conversation, addingGenerationPrompt: true)
        return try loaded.tokenizer.encode(text, parsingAll: reading.special)
    }

    private func generated(
        _ prompts: [(line: PromptLine, ids: [Int32])]
    ) throws(RecastError) -> [PromptAnswer] {
        if prompts.isEmpty { return [] }
        if let beams = sampling.beams {
            return try prompts.map { (prompt) throws(RecastError) in
                let found = try generator.beamSearch(
                    after: prompt.ids, settings, beams: beams, lengthPenalty: sampling.lengthPenalty ?? 1,
                    isCancelled: { Interruption.hasCome })
                let best = found.first?.continuation ?? .init(tokens: [], reason: .maximumTokens)
                let text = loaded.tokenizer.decodedBytes(best.tokens, skippingSpecial: true)
                return answer(prompt, text, best.tokens.count, best.reason.rawValue)
            }
        }
        var texts = prompts.map { _ in (stop: StopWords(sampling.stop), bytes: [UInt8]()) }
        // The same prompt in the same place of the file draws the same text, whatever it is read together with.
        let seeds = prompts.map { settings.sampling.seed &+ UInt64($0.line.index) }
        let continuations = try generator.generate(afterEach: prompts.map(\.ids), settings, seeds: seeds) {
            (index, token) throws(RecastError) in
            if Interruption.hasCome { throw RecastError(.interrupted, "interrupted") }
            texts[index].bytes += texts[index].stop.append(
                loaded.tokenizer.decodedBytes([token], skippingSpecial: true))
            return !texts[index].stop.isStopped
        }
        return prompts.indices.map { index in
            let bytes = texts[index].bytes + texts[index].stop.end()
            let reason = texts[index].stop.isStopped ? "stopWord" : continuations[index].reason.rawValue
            return answer(prompts[index], bytes, continuations[index].tokens.count, reason)
        }
    }

    private func answer(
        _ prompt: (line: PromptLine, ids: [Int32]), _ bytes: [UInt8], _ tokens: Int, _ reason: String
    ) -> PromptAnswer {
        PromptAnswer(
            index: prompt.line.index, id: prompt.line.id,
            .text(
                String(decoding: bytes, as: UTF8.self), promptTokens: prompt.ids.count, tokens: tokens,
                stoppedBy: reason))
    }
}
