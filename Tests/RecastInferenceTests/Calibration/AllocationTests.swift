import TestSupport
import Testing

@testable import RecastInference

/// Types within a limit: against every possible choice, and the limit itself.
@Suite struct AllocationTests {
    private static func units(_ count: Int, options: Int, sizes: Range<Int>, seed: UInt64) -> [[Allocation.Option]] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in
            (0..<Int.random(in: 1...options, using: &random)).map { _ in
                Allocation.Option(
                    size: Int.random(in: sizes, using: &random), cost: Double.random(in: 0...1, using: &random))
            }
        }
    }

    /// Every choice that fits, by its cost.
    private static func best(_ allocation: Allocation, limit: Int) -> Double? {
        var choices: [[Int]] = [[]]
        for options in allocation.units {
            choices = choices.flatMap { choice in options.indices.map { choice + [$0] } }
        }
        return choices.filter { allocation.size(of: $0) <= limit }.map { allocation.cost(of: $0) }.min()
    }

    @Test(arguments: 0..<40) func isTheBestOfAll(_ seed: Int) throws {
        let allocation = Allocation(units: Self.units(5, options: 4, sizes: 1..<200, seed: UInt64(seed)))
        for limit in stride(from: 0, through: 900, by: 37) {
            let choice = allocation.choice(limit: limit)
            let best = Self.best(allocation, limit: limit)
            #expect((choice == nil) == (best == nil))
            guard let choice, let best else { continue }
            #expect(allocation.size(of: choice) <= limit)
            #expect(abs(allocation.cost(of: choice) - best) < 1e-12)
        }
    }

    /// Where sizes are counted in steps the limit holds all the same, and little is lost.
    @Test(arguments: 0..<8) func largeSizes(_ seed: Int) throws {
        let small = Allocation(units: Self.units(6, options: 4, sizes: 1..<200, seed: UInt64(seed)))
        // A prime number of bytes to each, so that no step divides it.
        let factor = 1_000_003
        let large = Allocation(
            units: small.units.map { $0.map { Allocation.Option(size: $0.size * factor, cost: $0.cost) } })
        let least = small.units.reduce(0) { $0 + $1.map(\.size).min()! }
        for limit in stride(from: least, through: 1100, by: 61) {
            let found = large.choice(limit: limit * factor)
            let choice = try #require(found)
            #expect(large.size(of: choice) <= limit * factor)
            // One small unit less to spend costs no more than the best with that.
            let bound = Self.best(small, limit: max(least, limit - 1)) ?? .infinity
            #expect(large.cost(of: choice) <= bound + 1e-12)
        }
    }

    @Test func everythingFitsAnAmpleLimit() throws {
        let allocation = Allocation(units: Self.units(20, options: 6, sizes: 1..<1_000_000, seed: 3))
        let found = allocation.choice(limit: .max / 2)
        let choice = try #require(found)
        for (options, index) in zip(allocation.units, choice) {
            #expect(options[index].cost == options.map(\.cost).min())
        }
    }
}
