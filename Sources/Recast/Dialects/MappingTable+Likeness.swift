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
        // A head may be tied, and a table of models with experts may be that of others, too.
        let hasExperts = found.contains(where: \.isOfExperts)
        let missing = rows.filter {
            !$0.roles.contains(.outputHead) && !found.contains($0) && (hasExperts || !$0.isOfExperts)
        }
        let missingBiases = biased.map { $0.subtracting(foundBiases) } ?? []
        return Likeness(
            unknownCount: unknownCount, missingCount: missing.count + missingBiases.count, nameCount: names.count)
    }
}

extension Row {
    /// Whether only layers with experts have it.
    fileprivate var isOfExperts: Bool {
        isPerExpert
            || roles.contains {
                [.router, .routerBias, .sharedRouter, .sharedGate, .sharedUp, .sharedDown].contains($0)
            }
    }
}
