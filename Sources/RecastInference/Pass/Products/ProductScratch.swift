internal import CKernels

/// What a worker needs to multiply.
final class ProductScratch {
    /// `[width, 16]`
    let products: UnsafeMutablePointer<Float>
    private let memory: FloatBuffer
    private var unpacked = FloatBuffer(count: 0)
    private var places: [ck_codes] = []
    private var columns = 0

    init() {
        memory = FloatBuffer(count: 32 * PanelType.rowsOfPanel)
        products = memory.base
    }

    func clear(_ width: Int) {
        let place = UnsafeMutableRawPointer(products)
        for token in 0..<width { place.storeBytes(of: .zero, toByteOffset: 64 * token, as: SIMD16<Float>.self) }
    }

    /// Room for panels in the form in which they are multiplied.
    func codes(_ count: Int, columns: Int) -> [ck_codes] {
        if self.columns == columns, places.count >= count { return places }
        // Codes; scales and minima of 32 each; multiples of 16; their minima in pairs.
        let sizes = [16, 2, 2, 4, 2].map { ($0 * columns).aligned(to: 64) }
        let size = sizes.reduce(0, +)
        if unpacked.count * 4 < count * size { unpacked = FloatBuffer(count: count * size / 4) }
        self.columns = columns
        places = (0..<count).map { index in
            var next = UnsafeMutableRawPointer(unpacked.base) + index * size
            func take<Number>(_ bytes: Int, _ type: Number.Type) -> UnsafeMutablePointer<Number> {
                defer { next += bytes }
                return next.assumingMemoryBound(to: type)
            }
            return ck_codes(
                codes: take(sizes[0], UInt8.self), scales: take(sizes[1], Float.self),
                minima: take(sizes[2], Float.self),
                multiples: take(sizes[3], Int32.self), lows: take(sizes[4], Int16.self))
        }
        return places
    }
}
