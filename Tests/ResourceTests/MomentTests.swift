import Foundation
import Testing

@testable import Resource

struct MomentTests {
    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0), ("1970-01-01T00:00:00.001Z", 1), ("2026-11-28T09:15:44.250Z", 1_795_857_344_250),
        ("2026-11-28T09:15:44.2Z", 1_795_857_344_200), ("2026-11-28T09:15:44.250999Z", 1_795_857_344_250), ("2026-11-28T09:15:44Z", 1_795_857_344_000),
    ] as [(String, Int64)])
    func `is read with and without a fraction`(text: String, milliseconds: Int64) { #expect(Moment(text)?.milliseconds == milliseconds) }

    @Test(arguments: ["", ".", "now", "2026-11-28", "2026-11-28T09:15:44.250", "2026-11-28T09:15:44.xZ", "2026-11-28T09:15:44..Z"])
    func `is nothing else`(text: String) { #expect(Moment(text) == nil) }

    @Test func `is read as it was written, whatever the milliseconds`() throws {
        for milliseconds in stride(from: Int64(1_795_857_344_000), to: 1_795_857_346_000, by: 1) {
            let moment = Moment(milliseconds: milliseconds)
            #expect(Moment(moment.description) == moment)
        }
        let moments = ["a": Moment(milliseconds: 7), "b": Moment(milliseconds: 1_795_857_344_999)]
        #expect(try Wire.decode([String: Moment].self, from: try Wire.encode(moments)) == moments)
        #expect(Moment(milliseconds: 1_500).seconds(since: Moment(milliseconds: 250)) == 1.25)
    }
}
