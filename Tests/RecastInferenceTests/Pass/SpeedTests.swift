import COpenBLAS
import Foundation
import Recast
import RecastInference
import Testing

/// Measures the pass against the matrix product it is made of, with the shapes of Qwen2.5-1.5B. Runs only on request:
/// `RECAST_BENCHMARK=4096 swift test -c release --filter SpeedTests` with the number of tokens.
@Suite(.enabled(if: ProcessInfo.processInfo.environment["RECAST_BENCHMARK"] != nil), .serialized)
struct SpeedTests {
    static let environment = ProcessInfo.processInfo.environment

    private func configuration() -> ModelConfiguration {
        ModelConfiguration(
            family: "qwen2", vocabularySize: 151936, hiddenSize: 1536, feedForwardSize: 8960,
            layerCount: Int(Self.environment["RECAST_BENCHMARK_LAYERS"] ?? "28")!, headCount: 12, keyValueHeadCount: 2,
            headDimension: 128, contextLength: 32768, normEpsilon: 1e-6, activation: "silu",
            rope: Rope(theta: 1_000_000, dimensions: 128))
    }

    @Test func perplexity() throws {
        let configuration = configuration()
        let model = try RandomModel(configuration, isTied: true, biases: [.query, .key, .value])
        let count = Int(Self.environment["RECAST_BENCHMARK"]!)!
        let tokens = (0..<count).map { Int32($0 * 7919 % configuration.vocabularySize) }
        let workers = Int(Self.environment["RECAST_BENCHMARK_WORKERS"] ?? "1")!
        let rate = matrixProductRate()

        let marks = Marks()
        let start = processorSeconds()
        let wall = Date()
        let options = PassOptions(workers: workers, progress: { marks.note($0.phase) })
        let pass = try ForwardPass(model.graph, files: model.files, options: options)
        let result = try pass.perplexity(of: [Channel(name: "random", tokens: tokens)])
        let seconds = processorSeconds() - start

        let layerParameters =
            Role.allCases.filter { $0.isPerLayer && !$0.isNorm }
            .reduce(0) { $0 + configuration.shape(of: $1).reduce(1, *) } * configuration.layerCount
        let parameters = layerParameters + configuration.vocabularySize * configuration.hiddenSize
        let achieved = 2e-9 * Double(parameters) * Double(count) / seconds
        print(
            String(
                format:
                    "core %@, sgemm %.1f GFLOP/s; pass %.1f GFLOP/s (%.1f %%); %.1f CPU s, %.1f s, %.1f tokens/s, ppl %.0f",
                String(cString: openblas_get_corename()), rate, achieved, 100 * achieved / rate, seconds,
                Date().timeIntervalSince(wall), Double(count) / Date().timeIntervalSince(wall), result.total.perplexity)
        )
        let head = seconds - (marks.headBegan - start)
        print(
            String(
                format: "layers %.1f GFLOP/s, head %.1f GFLOP/s",
                2e-9 * Double(layerParameters * count) / (marks.headBegan - start),
                2e-9 * Double(configuration.vocabularySize * configuration.hiddenSize * count) / head))
    }

    @Test(.enabled(if: environment["RECAST_BENCHMARK_GENERATE"] != nil)) func generation() throws {
        let configuration = configuration()
        let model = try RandomModel(configuration, isTied: true, biases: [.query, .key, .value])
        let workers = Int(Self.environment["RECAST_BENCHMARK_WORKERS"] ?? "1")!
        let generator = try Generator(model.graph, files: model.files, options: PassOptions(workers: workers))
        let begin = Date()
        _ = try generator.generate(after: (0..<256).map { Int32($0) }, .init(maximumTokens: 1, stopTokens: []))
        let prefill = Date().timeIntervalSince(begin)
        let count = 17
        let start = Date()
        _ = try generator.generate(after: [1, 2, 3], .init(maximumTokens: count, stopTokens: []))
        print(
            String(
                format: "prefill of 256: %.2f s; %.3f s a token", prefill,
                Date().timeIntervalSince(start) / Double(count)))
    }

    private func matrixProductRate() -> Double {
        let (m, n, k) = (1024, 8960, 1536)
        let a = [Float](repeating: 0.5, count: m * k)
        let b = [Float](repeating: 0.5, count: n * k)
        var c = [Float](repeating: 0, count: m * n)
        openblas_set_num_threads(1)
        let times = (0..<8).map { _ in
            let start = processorSeconds()
            cblas_sgemm(
                CblasRowMajor, CblasNoTrans, CblasTrans, blasint(m), blasint(n), blasint(k), 1, a, blasint(k), b,
                blasint(k), 0, &c, blasint(n))
            return processorSeconds() - start
        }
        return 2e-9 * Double(m * n * k) / times.min()!
    }

    private func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }
}

private final class Marks: @unchecked Sendable {
    var headBegan = 0.0

    func note(_ phase: PassOptions.Progress.Phase) {
        guard phase == .head, headBegan == 0 else { return }
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        headBegan = Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }
}
