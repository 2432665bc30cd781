extension LazyTensor {
    /// The same tensor where its files have other numbers.
    package func renumbered(_ numbers: [FileID: FileID]) -> LazyTensor {
        let renumbered: Recipe =
            switch recipe {
            case .stored(let file, let offset): .stored(numbers[file] ?? file, offset: offset)
            case .literal, .zeros: recipe
            case .arranged(let arrangement, let children):
                .arranged(arrangement, children.map { $0.renumbered(numbers) })
            case .computed(let computation, let children):
                .computed(computation, children.map { $0.renumbered(numbers) })
            }
        return LazyTensor(dtype: dtype, shape: shape, recipe: renumbered)
    }
}
