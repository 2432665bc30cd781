import Recast

/// Questions of one kind.
public struct ChoiceTask: Sendable {
    public var name: String
    public var items: [ChoiceItem]

    public init(name: String, items: [ChoiceItem]) {
        self.name = name
        self.items = items
    }

    /// Reads a file with a question in each line.
    ///
    /// - Throws: `malformedInput` with the number of the first line that is none.
    public init(name: String, path: String) throws(RecastError) {
        let bytes = try FileSource.contents(of: path, limit: 1 << 32)
        var items: [ChoiceItem] = []
        var number = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            number += 1
            if line.allSatisfy({ [0x20, 0x09, 0x0D].contains($0) }) { continue }
            do throws(RecastError) { items.append(try ChoiceItem(JSON(parsing: Array(line), file: "JSON"))) } catch {
                throw error.within("line \(number)").within(path)
            }
        }
        guard !items.isEmpty else { throw RecastError(.malformedInput, "has no questions", trail: [path]) }
        self.init(name: name, items: items)
    }
}

/// Which answers a model chose.
public struct ChoiceScore: Sendable {
    /// Of one question.
    public struct Item: Sendable, Equatable {
        public var answer: Int
        /// `ln p` of each answer after the context, in nats.
        public var logLikelihoods: [Double]
        /// Characters of each answer.
        public var lengths: [Int]
        public var group: String?

        /// The likeliest answer, of equals the first.
        public var choice: Int { Self.best(logLikelihoods) }
        /// The likeliest for each character.
        public var normalizedChoice: Int { Self.best(zip(logLikelihoods, lengths).map { $0 / Double($1) }) }

        private static func best(_ values: [Double]) -> Int {
            values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 }
        }
    }

    /// How often the choice was right.
    public struct Accuracy: Sendable, Equatable {
        public var value: Double
        /// Its standard error; nil for a single question.
        public var error: Double?

        init(_ right: Int, of count: Int) {
            value = Double(right) / Double(count)
            error = count > 1 ? (value * (1 - value) / Double(count - 1)).squareRoot() : nil
        }
    }

    public var name: String
    public var items: [Item]

    public var accuracy: Accuracy { Accuracy(items.count { $0.choice == $0.answer }, of: items.count) }
    public var normalizedAccuracy: Accuracy {
        Accuracy(items.count { $0.normalizedChoice == $0.answer }, of: items.count)
    }

    /// The same for each group, in the order of the first questions; empty where there are none.
    public var groups: [ChoiceScore] {
        var names: [String] = []
        var parts: [String: [Item]] = [:]
        for item in items {
            guard let group = item.group else { continue }
            if parts[group] == nil { names.append(group) }
            parts[group, default: []].append(item)
        }
        return names.map { ChoiceScore(name: $0, items: parts[$0]!) }
    }
}

extension ForwardPass {
    /// Scores the answers of some tasks, in one pass over the layers.
    ///
    /// Text and answer are tokenized together, and what follows the context's own tokens is the answer. Contexts that are
    /// longer than the model's are cut at their beginning.
    ///
    /// - Throws: `malformedInput` where the model computes no numbers, with the layer and the tensor in which they end.
    public func scores(
        of tasks: [ChoiceTask], _ tokenizer: Tokenizer
    ) throws(RecastError) -> (scores: [ChoiceScore], cut: Int) {
        var texts: [Text] = []
        var cut = 0
        for item in tasks.flatMap(\.items) {
            for choice in item.choices {
                let (text, isCut) = try text(item.context, choice, tokenizer)
                texts.append(text)
                if isCut { cut += 1 }
            }
        }
        let values = try negativeLogLikelihoods(of: texts)
        try checkFinite(
            values.flatMap { $0 },
            ScoredTexts([("tasks", texts.reduce(0) { $0 + $1.tokens.count }, texts.count)], texts))
        var next = 0
        let scores = tasks.map { task in
            ChoiceScore(
                name: task.name,
                items: task.items.map { item in
                    defer { next += item.choices.count }
                    return ChoiceScore.Item(
                        answer: item.answer,
                        logLikelihoods: item.choices.indices.map { -values[next + $0].reduce(0, +) },
                        lengths: item.choices.map(\.unicodeScalars.count), group: item.group)
                })
        }
        return (scores, cut)
    }

    private func text(
        _ context: String, _ choice: String, _ tokenizer: Tokenizer
    ) throws(RecastError) -> (Text, isCut: Bool) {
        // Spaces at the end belong to what follows: tokens begin with them.
        var context = Substring(context)
        var spaces = ""
        while let last = context.last, last.isWhitespace { spaces = String(context.removeLast()) + spaces }
        let answer = spaces.isEmpty && choice.first?.isWhitespace != true ? " " + choice : spaces + choice
        let before = try tokenizer.encode(String(context), parsingSpecial: false, addingSpecial: true)
        var tokens = try tokenizer.encode(context + answer, parsingSpecial: false, addingSpecial: true)
        var first = min(before.count, tokens.count - 1)
        guard first > 0 else {
            throw .usage("the question \"\(context)\" has no tokens, and the tokenizer puts none before it")
        }
        let excess = tokens.count - graph.configuration.contextLength
        if excess > 0 {
            guard first > excess else {
                throw .unsupported(
                    "the answer \"\(choice)\" has more tokens than the \(graph.configuration.contextLength) the model can see"
                )
            }
            tokens.removeFirst(excess)
            first -= excess
        }
        return (Text(tokens: tokens, predictions: first - 1..<tokens.count - 1), excess > 0)
    }
}
