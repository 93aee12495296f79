import Chainfire
import Etcd
import Foundation
import GRPC
import NIOCore
import Store

/// Tells one watcher from another that had the same watch id before it.
struct WatchNumber: Hashable, Sendable {
    var id: Int64
    var generation: UInt64
}

/// The watchers of one stream and what is still to be sent. Confined to one event loop.
struct WatchStreamState {
    enum Pumped { case done, blocked }

    private struct Entry {
        var watcher: Watcher
        var generation: UInt64
        var wantsPrevious: Bool
        var wantsProgress: Bool
        var isFragmented: Bool
        /// Something was sent since the last progress notice was due.
        var wasTold = false
    }

    private static let invalidID: Int64 = -1

    private let store: Chainfire
    private let sink: any Sink
    private let options: WatchService.Options
    private var entries: [Int64: Entry] = [:]
    private var ready = ReadyQueue()
    /// Gathered by the pump, which sends it before it ends.
    private var bundle = WatchBundle()
    private var nextID: Int64 = 0
    private var generations: UInt64 = 0
    private var hasProgress = false
    /// Progress requests not answered yet.
    var progressWanted = 0
    var progressTask: RepeatedTask?
    private(set) var isOpen = true

    init(_ store: Chainfire, _ sink: any Sink, _ options: WatchService.Options) {
        self.store = store
        self.sink = sink
        self.options = options
    }

    mutating func close() {
        isOpen = false
        progressTask?.cancel()
        progressTask = nil
        for entry in entries.values { entry.watcher.cancel() }
        entries = [:]
    }

    func whenWritable(_ body: @escaping @Sendable () -> Void) { sink.whenWritable(body) }

    // MARK: what the client asks

    /// Texts and order of etcd's `watchStream.Watch`.
    mutating func create(_ request: Etcdserverpb_WatchCreateRequest, _ signal: @escaping @Sendable (WatchNumber) -> Void) {
        guard isOpen else { return }
        let now = store.header
        let key = request.key.isEmpty ? Data([0]) : request.key
        let range = KeyRange(key: key, end: request.rangeEnd)
        guard range.upper.map({ range.lower < $0 }) ?? true else { return refuse("mvcc: watcher range is empty", now) }
        guard request.startRevision >= 0 else {
            return refuse("etcdserver: mvcc: required revision has been compacted", now)
        }
        guard request.watchID == 0 || entries[request.watchID] == nil else {
            return refuse("mvcc: duplicate watch ID provided on the WatchStream", now)
        }
        guard entries.count < options.watchersMax else { return refuse("etcdserver: too many requests", now) }
        let number = WatchNumber(id: request.watchID == 0 ? freeID() : request.watchID, generation: generations)
        generations += 1
        do throws(StoreError) {
            let watcher = try store.openWatcher(
                // What is applied from now on is in the watch, as what was before is in the answer's revision.
                range, from: request.startRevision == 0 ? now.revision + 1 : request.startRevision,
                options: WatcherOptions(
                    noPut: request.filters.contains(.noput), noDelete: request.filters.contains(.nodelete)),
                signal: { signal(number) })
            sendControl(number.id, now) { $0.created = true }
            entries[number.id] = Entry(
                watcher: watcher, generation: number.generation, wantsPrevious: request.prevKv,
                wantsProgress: request.progressNotify, isFragmented: request.fragment)
            hasProgress = hasProgress || request.progressNotify
            ready.append(number)
        } catch {
            guard case .compacted(let oldest) = error else { return refuse(GRPCStatus(error).message, now) }
            sendControl(number.id, now) { $0.created = true }
            sendControl(number.id, now) {
                $0.canceled = true
                $0.compactRevision = oldest
            }
        }
    }

    /// Of an id that is not there nothing is said, as in etcd.
    mutating func cancel(_ id: Int64) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        entry.watcher.cancel()
        sendControl(id, store.header) { $0.canceled = true }
    }

    /// Once, when the first watcher wants progress notices.
    mutating func takeProgressInterval() -> Duration? {
        guard hasProgress, progressTask == nil, isOpen else { return nil }
        return options.progressInterval
    }

    // MARK: what the store tells

    /// One page of each watcher in turn, so that none starves another.
    mutating func pump(_ signalled: [WatchNumber]) -> Pumped {
        guard isOpen else { return .done }
        for number in signalled { ready.append(number) }
        let header = store.header
        guard sink.isWritable else { return .blocked }
        while true {
            if bundle.isFull {
                sendBundle()
                guard sink.isWritable else { return .blocked }
            }
            guard let number = ready.popFirst() else { break }
            guard let entry = entries[number.id], entry.generation == number.generation else { continue }
            do throws(StoreError) {
                guard let page = try entry.watcher.next() else { continue }
                send(page, number.id, entry, header)
                entries[number.id]?.wasTold = true
                ready.append(number)
            } catch {
                sendBundle()
                end(number.id, error)
            }
        }
        sendBundle()
        answerProgress()
        return .done
    }

    private mutating func end(_ id: Int64, _ error: StoreError) {
        entries.removeValue(forKey: id)?.watcher.cancel()
        switch error {
        case .compacted(let oldest):
            sendControl(id, store.header) {
                $0.canceled = true
                $0.compactRevision = oldest
            }
        case .unavailable:
            // The whole stream ends: its client goes on with another member.
            sink.finish(GRPCStatus(error))
            close()
        default:
            sendControl(id, store.header) {
                $0.canceled = true
                $0.cancelReason = GRPCStatus(error).message
            }
        }
    }

    /// A progress notice may not pass events that are not sent yet (etcd #15220): it is put off until none are.
    private mutating func answerProgress() {
        guard isOpen, progressWanted > 0 else { return }
        let watchers = entries.sorted { $0.key < $1.key }.map(\.value.watcher)
        guard let revision = store.progress(of: watchers) else { return }
        for _ in 0..<progressWanted { sendNotice(Self.invalidID, revision) }
        progressWanted = 0
    }

    /// To each watcher that asked for it and was told nothing since the last time.
    mutating func notifyProgress() {
        for (id, entry) in entries.sorted(by: { $0.key < $1.key }) where entry.wantsProgress {
            entries[id]?.wasTold = false
            guard !entry.wasTold, sink.isWritable, let revision = entry.watcher.progress() else { continue }
            sendNotice(id, revision)
        }
    }

    // MARK: messages

    private mutating func freeID() -> Int64 {
        while entries[nextID] != nil { nextID += 1 }
        defer { nextID += 1 }
        return nextID
    }

    private func refuse(_ reason: String, _ header: Header) {
        sendControl(Self.invalidID, header) {
            $0.created = true
            $0.canceled = true
            $0.cancelReason = reason
        }
    }

    private func sendControl(_ id: Int64, _ header: Header, _ fill: (inout Etcdserverpb_WatchResponse) -> Void) {
        sink.send(Etcdserverpb_WatchResponse.with {
            $0.header = .init(header)
            $0.watchID = id
            fill(&$0)
        })
    }

    private func sendNotice(_ id: Int64, _ revision: Revision) {
        sink.send(Etcdserverpb_WatchResponse.with {
            $0.header = .init(store.header, revision: revision)
            $0.watchID = id
        })
    }

    private mutating func send(_ page: WatchPage, _ id: Int64, _ entry: Entry, _ header: Header) {
        let events = EventsToSend(page: page, withPrevious: entry.wantsPrevious)
        let mayBeParted = entry.isFragmented && page.events.count > 1
        if sink.isBinary && !mayBeParted { return bundle.append(header, page.revision, watchID: id, events: events.encoded) }
        sendBundle()
        let head = Etcdserverpb_WatchResponse.with {
            $0.header = .init(header, revision: page.revision)
            $0.watchID = id
        }
        for message in events.messages(head, fragmentBytes: mayBeParted ? options.fragmentBytes : nil) { sink.send(message) }
    }

    private mutating func sendBundle() { if let framed = bundle.take() { sink.send(framed: framed) } }
}
