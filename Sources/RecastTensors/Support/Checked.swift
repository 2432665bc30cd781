/// Arithmetic on numbers that come from a file: nil instead of a trap.
extension Int {
    package func adding(checked other: Int) -> Int? {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? nil : sum
    }

    package func multiplied(checked other: Int) -> Int? {
        let (product, overflow) = multipliedReportingOverflow(by: other)
        return overflow ? nil : product
    }

    /// The next multiple of `alignment`, which is a positive number; nil where that does not fit.
    package func aligned(checked alignment: Int) -> Int? {
        adding(checked: alignment - 1).map { $0 / alignment * alignment }
    }

    /// The next multiple of `alignment`, for numbers of our own.
    package func aligned(to alignment: Int) -> Int { (self + alignment - 1) / alignment * alignment }

    /// `self / divisor`, rounded up; of a number that is not negative, by a positive one.
    package func dividedRoundingUp(by divisor: Int) -> Int { self / divisor + (self % divisor == 0 ? 0 : 1) }

    /// The least number that is a multiple of two positive ones.
    package func leastCommonMultiple(with other: Int) -> Int {
        var (a, b) = (self, other)
        while b != 0 { (a, b) = (b, a % b) }
        return self / a * other
    }
}

extension Int {
    /// A number as an integer, where it is one after rounding, and lies in a range that is none of overflow.
    package init?(rounding value: Double, within limits: ClosedRange<Int>) {
        guard let whole = Int(exactly: value.rounded()), limits.contains(whole) else { return nil }
        self = whole
    }
}

extension Collection<Int> {
    /// The product of the elements, 1 for none; nil where it does not fit.
    package func product() -> Int? {
        var product = 1
        for factor in self {
            guard let next = product.multiplied(checked: factor) else { return nil }
            product = next
        }
        return product
    }
}
