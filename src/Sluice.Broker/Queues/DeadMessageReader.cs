using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>Reads messages of a queue that were taken and are about to leave it. Off the queue's lock; waits for the disk where needed.</summary>
internal sealed class DeadMessageReader(CompetingQueue queue) : IDisposable
{
    private LogReader? _reader;
    private int _lane = -1;

    /// <summary>False if the message is not there any more. The view lasts until the next call.</summary>
    /// <exception cref="LogFailedException">It cannot be read.</exception>
    public bool TryRead(MessageId id, out MessageView message)
    {
        Log log = queue.Lanes[id.Lane].Log;
        if (_reader is null || _lane != id.Lane)
        {
            _reader?.Dispose();
            _reader = log.OpenReader(id.Offset);
            _lane = id.Lane;
        }

        message = default;
        _reader.Seek(id.Offset);
        while (true)
        {
            switch (_reader.TryPeek(out RecordView record))
            {
                case PeekResult.Record:
                    if (record.Offset != id.Offset)
                    {
                        return false;
                    }

                    MessageRecord.Read(record, out message);
                    return true;
                case PeekResult.EndOfLog:
                    return false;
                default:
                    if (log.LoadWindow(id.Offset) is { } window)
                    {
                        _reader.Attach(window);
                    }

                    break;
            }
        }
    }

    public void Dispose() => _reader?.Dispose();
}
