/// One choice for each of some units, of which each has its size and its cost: the least costs that a limit of size allows.
struct Allocation {
    struct Option: Sendable, Hashable {
        var size: Int
        var cost: Double
    }

    /// Of each unit, at least one.
    let units: [[Option]]

    /// Steps that sizes are counted in, at most.
    private static let steps = 1 << 16

    /// The index of the option of each unit; nil where even the smallest are too large together.
    ///
    /// A dynamic program over steps of the size that each option has beyond its unit's smallest, rounded up; then what is
    /// left is spent greedily. Exact where steps are of one byte.
    func choice(limit: Int) -> [Int]? {
        let smallest = units.map { options in options.indices.min { options[$0].size < options[$1].size }! }
        let least = zip(units, smallest).map { $0[$1].size }
        let free = limit - least.reduce(0, +)
        guard free >= 0 else { return nil }
        let most = zip(units, least).reduce(0) { $0 + $1.0.map(\.size).max()! - $1.1 }
        let range = min(free, most)
        let step = max(1, range.dividedRoundingUp(by: Self.steps))
        let places = range / step + 1
        var costs = [Double](repeating: 0, count: places)
        var taken = [UInt8](repeating: 0, count: places * units.count)
        for (unit, options) in units.enumerated() {
            precondition(options.count <= 256)
            var next = [Double](repeating: .infinity, count: places)
            for (index, option) in options.enumerated() {
                let width = (option.size - least[unit]).dividedRoundingUp(by: step)
                guard width < places else { continue }
                for place in width..<places where costs[place - width] + option.cost < next[place] {
                    next[place] = costs[place - width] + option.cost
                    taken[unit * places + place] = UInt8(index)
                }
            }
            costs = next
        }
        var choice = smallest
        var place = places - 1
        for unit in units.indices.reversed() {
            choice[unit] = Int(taken[unit * places + place])
            place -= (units[unit][choice[unit]].size - least[unit]).dividedRoundingUp(by: step)
        }
        spend(limit - size(of: choice), on: &choice)
        return choice
    }

    func size(of choice: [Int]) -> Int { zip(units, choice).reduce(0) { $0 + $1.0[$1.1].size } }

    func cost(of choice: [Int]) -> Double { zip(units, choice).reduce(0) { $0 + $1.0[$1.1].cost } }

    /// Takes better options while they fit, those that save most first.
    private func spend(_ room: Int, on choice: inout [Int]) {
        var room = room
        while true {
            var best: (unit: Int, index: Int, saved: Double)?
            for (unit, options) in units.enumerated() {
                let present = options[choice[unit]]
                for (index, option) in options.enumerated() where option.size - present.size <= room {
                    let saved = present.cost - option.cost
                    if saved > best?.saved ?? 0 { best = (unit, index, saved) }
                }
            }
            guard let best else { return }
            room -= units[best.unit][best.index].size - units[best.unit][choice[best.unit]].size
            choice[best.unit] = best.index
        }
    }
}
