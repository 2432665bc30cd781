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

    /// - Parameters:
    ///   - biased: roles whose biases may be there.
    ///   - alwaysBiased: roles whose biases must be.
    func likeness(of names: [String], biased: Set<Role>?, alwaysBiased: Set<Role> = []) -> Likeness {
        var found = Set<Row>()
        var foundBiases = Set<Role>()
        var unknownCount = 0
        for name in names {
            guard let match = match(name), match.part == .weight || biased?.isSuperset(of: match.row.roles) != false
            else {
                unknownCount += 1
                continue
            }
            found.insert(match.row)
            if match.part == .bias { foundBiases.formUnion(match.row.roles) }
        }
        // A head may be tied; experts and dense layers are not in all layers of all models, but in some of theirs.
        let missing = rows.filter { !$0.roles.contains(.outputHead) && !found.contains($0) }
        let missingBiases = alwaysBiased.subtracting(foundBiases)
        return Likeness(
            unknownCount: unknownCount, missingCount: missing.count + missingBiases.count, nameCount: names.count)
    }
}
