import Synchronization

/// What two tensors have in common.
package struct TensorDifference: Sendable, Hashable, Codable {
    /// Whether every bit is the same, under the same type and shape.
    package var isIdentical: Bool
    /// Whether every number is the same, whatever the types.
    package var isEqual: Bool
    package var maximumAbsolute: Double
    /// The root of the summed squares of the differences, over that of the reference.
    package var relative: Double
}

extension LazyTensor {
    /// Numbers compared at a time: as many as stay in a cache near the processor, from both files.
    private static let elementsAtOnce = 32 << 10
    /// How many such windows a worker compares before it takes its next share.
    private static let windowsPerShare = 64

    /// Whether two tensors hold the same bits under the same type and shape. Reads little further than the first
    /// difference.
    func hasSameBits(as other: LazyTensor, _ workers: Parallel) throws(RecastError) -> Bool {
        guard dtype == other.dtype, shape == other.shape else { return false }
        let windows = windows(of: Self.elementsAtOnce)
        let step = Self.windowsPerShare
        let differ = Atomic<Bool>(false)
        try workers.forEach((windows.count + step - 1) / step) { (share, reader) throws(RecastError) in
            if differ.load(ordering: .relaxed) { return }
            var otherReader = Reader(files: workers.files)
            let share = windows[share * step..<min((share + 1) * step, windows.count)]
            if try !hasSameBits(as: other, in: share, &reader, &otherReader) { differ.store(true, ordering: .relaxed) }
        }
        return !differ.load(ordering: .relaxed)
    }

    /// The same, on the calling thread.
    func hasSameBits(
        as other: LazyTensor, _ reader: inout Reader, _ otherReader: inout Reader
    ) throws(RecastError) -> Bool {
        guard dtype == other.dtype, shape == other.shape else { return false }
        return try hasSameBits(as: other, in: windows(of: Self.elementsAtOnce)[...], &reader, &otherReader)
    }

    private func hasSameBits(
        as other: LazyTensor, in windows: ArraySlice<Window>, _ reader: inout Reader, _ otherReader: inout Reader
    ) throws(RecastError) -> Bool {
        for window in windows {
            try Interruption.check()
            let byteCount = byteCount(of: window)
            let a = reader.scratch.take(byteCount)
            let b = otherReader.scratch.take(byteCount)
            defer {
                reader.scratch.give(a)
                otherReader.scratch.give(b)
            }
            let first = UnsafeMutableRawBufferPointer(rebasing: a[..<byteCount])
            let second = UnsafeMutableRawBufferPointer(rebasing: b[..<byteCount])
            try read(window, into: first, using: &reader)
            try other.read(window, into: second, using: &otherReader)
            guard first.elementsEqual(second, bytes: byteCount) else { return false }
        }
        return true
    }

    /// Compares the numbers of two tensors of one shape.
    func difference(
        from other: LazyTensor, _ reader: inout Reader, _ otherReader: inout Reader
    ) throws(RecastError) -> TensorDifference {
        if try hasSameBits(as: other, &reader, &otherReader) {
            return TensorDifference(isIdentical: true, isEqual: true, maximumAbsolute: 0, relative: 0)
        }
        let first = converted(to: .f32)
        let second = other.converted(to: .f32)
        var maximum = 0.0
        var squares = 0.0
        var reference = 0.0
        var isEqual = true
        for window in windows(of: Self.elementsAtOnce) {
            try Interruption.check()
            let count = window.rows.count * window.columns.count
            let a = reader.scratch.take(4 * count)
            let b = otherReader.scratch.take(4 * count)
            defer {
                reader.scratch.give(a)
                otherReader.scratch.give(b)
            }
            try first.read(window, into: UnsafeMutableRawBufferPointer(rebasing: a[..<(4 * count)]), using: &reader)
            try second.read(
                window, into: UnsafeMutableRawBufferPointer(rebasing: b[..<(4 * count)]), using: &otherReader)
            let x = UnsafePointer(a.baseAddress!.assumingMemoryBound(to: Float.self))
            let y = UnsafePointer(b.baseAddress!.assumingMemoryBound(to: Float.self))
            for index in 0..<count {
                let (u, v) = (Double(x[index]), Double(y[index]))
                if u == v || u.isNaN && v.isNaN {
                    reference += u.isFinite ? u * u : 0
                    continue
                }
                isEqual = false
                let distance = abs(u - v)
                maximum = distance > maximum || distance.isNaN ? distance : maximum
                squares += distance * distance
                reference += u * u
            }
        }
        return TensorDifference(
            isIdentical: false, isEqual: isEqual, maximumAbsolute: maximum,
            relative: squares == 0 ? 0 : (squares / reference).squareRoot())
    }

    /// Whether every number is zero, of whatever sign.
    func isZeroEverywhere(_ reader: inout Reader) throws(RecastError) -> Bool {
        if isKnownZero { return true }
        let numbers = converted(to: .f32)
        for window in windows(of: Self.elementsAtOnce) {
            try Interruption.check()
            let count = window.rows.count * window.columns.count
            let isZero = try reader.withScratch(4 * count) { (reader, buffer) throws(RecastError) in
                try numbers.read(window, into: buffer, using: &reader)
                return buffer.bindMemory(to: Float.self).allSatisfy { $0 == 0 }
            }
            if !isZero { return false }
        }
        return true
    }

    /// Whether every row has the length one, but for what rounding the numbers to their type makes of it.
    func hasUnitRows(_ reader: inout Reader) throws(RecastError) -> Bool {
        let tolerance = [.f16, .bf16].contains(dtype) ? 4e-3 : dtype == .f32 ? 1e-5 : 0
        let numbers = converted(to: .f32)
        for window in windows(of: Self.elementsAtOnce) {
            try Interruption.check()
            let columns = window.columns.count
            let isUnit = try reader.withScratch(4 * window.rows.count * columns) {
                (reader, buffer) throws(RecastError) in
                try numbers.read(window, into: buffer, using: &reader)
                let values = buffer.bindMemory(to: Float.self)
                return (0..<window.rows.count).allSatisfy { row in
                    let square = values[row * columns..<(row + 1) * columns].reduce(0.0) {
                        $0 + Double($1) * Double($1)
                    }
                    return abs(square.squareRoot() - 1) <= tolerance
                }
            }
            if !isUnit { return false }
        }
        return true
    }
}

#if canImport(Glibc)
    import Glibc
#elseif canImport(Darwin)
    import Darwin
#endif

extension UnsafeMutableRawBufferPointer {
    fileprivate func elementsEqual(_ other: UnsafeMutableRawBufferPointer, bytes: Int) -> Bool {
        memcmp(baseAddress!, other.baseAddress!, bytes) == 0
    }
}
