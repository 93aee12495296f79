import Testing
@testable import Replica

struct ProposalsTests {
    @Test func `of a forward the last ones are refused once, and a copy of the refusal says nothing of those that were taken`() {
        var proposals = Proposals(run: 9)
        for id in UInt64(1)...4 { proposals.add(id: id, [1], deadline: 100) }
        let batch = proposals.take(bytesMax: .max)
        proposals.proposed(batch.numbers, term: 2, forward: 7)
        let (other, refused, again) = (proposals.refused(8, last: 2), proposals.refused(7, last: 2), proposals.refused(7, last: 2))
        #expect(other.isEmpty && refused == Array(batch.numbers.suffix(2)) && again.isEmpty)
    }
}
