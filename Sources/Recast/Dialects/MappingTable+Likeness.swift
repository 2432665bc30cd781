extension MappingTable {
    /// How well the names of a checkpoint's tensors are those of a table.
    struct Likeness: Comparable {
        /// Names that no row has.
        var unknownCount: Int
        /// Rows of which no tensor is there.
        var missingCount: Int
        var nameCount: Int

        /// Whether nothing tells the checkpoint from one of the table's.
        var isWhole: Bool { unknownCount == 0 && missingCount == 0 && nameCount > 0 }
        /// Whether most of it is.
        var isClose: Bool { nameCount > 0 && unknownCount + missingCount <= nameCount / 4 }

        static func < (a: Likeness, b: Likeness) -> Bool {
            a.unknownCount + a.missingCount < b.unknownCount + b.missingCount
        }
    }

    /// - Parameter biased: roles that have biases; nil where that is not known.
    func likeness(of names: [String], biased: Set<Role>?) -> Likeness {
        var found = Set<Row>()
        var foundBiases = Set<Role>()
        var unknownCount = 0
        for name in names {
            guard let match = match(name),
                match.part == .weight || biased?.isSuperset(of: match.row.roles) != false
            else {
                unknownCount += 1
                continue
            }
            found.insert(match.row)
            if match.part == .bias { foundBiases.formUnion(match.row.roles) }
        }
        // A table of models with experts may be that of others, too.
        let hasExperts = found.contains(where: \.isOfExperts)
        let missing = rows.filter { isMissing($0, from: found, hasExperts: hasExperts) }
        let missingBiases = biased.map { $0.subtracting(foundBiases) } ?? []
        return Likeness(
            unknownCount: unknownCount, missingCount: missing.count + missingBiases.count, nameCount: names.count)
    }

    /// Queries are made of the hidden state, or of fewer numbers; feed-forward parts are of experts, or not.
    private func isMissing(_ row: Row, from found: Set<Row>, hasExperts: Bool) -> Bool {
        if row.isOptional || found.contains(row) || row.isOfExperts && !hasExperts { return false }
        // All layers may have experts.
        if hasExperts, !row.isOfExperts, Set(row.roles).isSubset(of: [.gate, .up, .down]) { return false }
        let others: [Role] =
            switch row.roles[0] {
            case .query: [.queryDown]
            case .queryDown, .queryDownNorm, .queryUp: [.query]
            default: []
            }
        return !found.contains { !Set($0.roles).isDisjoint(with: others) }
    }

    /// The names that no row has, and the rows of which no tensor is there: each once, with marks in the place of numbers.
    ///
    /// - Parameter isExpected: whether the model should have tensors of a role.
    func differences(of names: [String], isExpected: (Role) -> Bool) -> (unknown: [String], missing: [String]) {
        var found = Set<Row>()
        var unknown: [String] = []
        var seen = Set<String>()
        for name in names {
            if let match = match(name) {
                found.insert(match.row)
            } else {
                let template = Self.template(of: name).template.replacing("#", with: "N")
                if seen.insert(template).inserted { unknown.append(template) }
            }
        }
        let hasExperts = found.contains(where: \.isOfExperts)
        let missing = rows.filter {
            isMissing($0, from: found, hasExperts: hasExperts) && $0.roles.allSatisfy(isExpected)
        }.map {
            ($0.stem + $0.suffix(.weight)).replacing("{layer}", with: "N").replacing("{expert}", with: "N")
        }
        return (unknown, missing)
    }
}

extension Row {
    /// Whether models of the table may be without it: a head may be tied, experts may work on hidden states, and embeddings may be
    /// of their size.
    fileprivate var isOptional: Bool {
        roles.contains {
            [.outputHead, .expertLatentDown, .expertLatentUp, .embeddingProjection, .headProjection].contains($0)
        }
    }

    /// Whether only layers with experts have it.
    fileprivate var isOfExperts: Bool {
        isPerExpert
            || roles.contains {
                [.router, .routerBias, .sharedRouter, .sharedGate, .sharedUp, .sharedDown].contains($0)
            }
    }
}
