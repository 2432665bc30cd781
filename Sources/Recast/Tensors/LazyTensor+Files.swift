extension LazyTensor {
    /// The same tensor where its files have other numbers.
    func renumbered(_ numbers: [FileID: FileID]) -> LazyTensor {
        func all(_ tensors: [LazyTensor]) -> [LazyTensor] { tensors.map { $0.renumbered(numbers) } }
        let renumbered: Recipe =
            switch recipe {
            case .stored(let file, let offset): .stored(numbers[file] ?? file, offset: offset)
            case .literal, .zeros: recipe
            case .window(let base, let batch, let row, let column):
                .window(base.renumbered(numbers), batch: batch, row: row, column: column)
            case .concatenatedRows(let parts): .concatenatedRows(all(parts))
            case .concatenatedColumns(let parts): .concatenatedColumns(all(parts))
            case .stackedMatrices(let parts): .stackedMatrices(all(parts))
            case .gathered(let base, let order): .gathered(base.renumbered(numbers), order)
            case .reshaped(let base): .reshaped(base.renumbered(numbers))
            case .transposed(let base): .transposed(base.renumbered(numbers))
            case .decoded(let encoding, let parts): .decoded(encoding, all(parts))
            case .converted(let base, let steps, let importance):
                .converted(base.renumbered(numbers), steps, importance: importance?.renumbered(numbers))
            case .centered(let base): .centered(base.renumbered(numbers))
            case .product(let matrix, let vector, let other):
                .product(matrix.renumbered(numbers), vector.renumbered(numbers), plus: other?.renumbered(numbers))
            }
        return LazyTensor(dtype: dtype, shape: shape, recipe: renumbered)
    }
}
