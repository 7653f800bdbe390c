using Microsoft.Extensions.Logging;
using Sluice.Broker.Messages;
using Sluice.Storage;
using Sluice.Storage.Records;

namespace Sluice.Broker.Queues;

/// <summary>One consumer's position in a stream. Guarded by the queue's lock, but for the load.</summary>
internal sealed class StreamSubscription(StreamQueue queue, Consumer consumer, LogReader reader, long from) : IThreadPoolWorkItem
{
    private long _from = from;
    private long? _seekTimestamp;
    private bool _loading;
    private bool _ended;
    private bool _failed;
    private long _loadOffset;

    public Consumer Consumer => consumer;

    /// <summary>Begins at the first record of the time or after it, once that is found off the lock.</summary>
    public void Seek(long timestampMs)
    {
        _seekTimestamp = timestampMs;
        _loading = true;
        queue.Host.Scheduler.Post(this);
    }

    public void Serve()
    {
        if (_ended || _failed || _seekTimestamp is not null)
        {
            return;
        }

        bool any = false;
        long readable = queue.Log.FindWrittenEnd(out JournalPosition unwritten).Stable;
        while (consumer.CanTake)
        {
            PeekResult result;
            RecordView record;
            try
            {
                result = reader.TryPeek(out record);
            }
            catch (LogFailedException e)
            {
                Fail(e);
                break;
            }

            if (result == PeekResult.NeedsLoad)
            {
                Load(reader.NextOffset);
                break;
            }

            if (result == PeekResult.EndOfLog)
            {
                break;
            }

            if (record.Offset >= readable)
            {
                queue.ServeWhenWritten(unwritten);
                break;
            }

            if (record.Offset >= _from)
            {
                var delivery = new Delivery { Id = new MessageId(0, record.Offset) };
                MessageRecord.Read(record, out delivery.Message);
                consumer.Deliver(delivery);
                any = true;
            }

            reader.Advance();
        }

        if (any)
        {
            consumer.EndRun();
            if (reader.WantsPrefetch(out long offset))
            {
                Load(offset);
            }
        }
    }

    public void End()
    {
        _ended = true;
        if (!_loading)
        {
            reader.Dispose();
        }
    }

    public void Execute()
    {
        LogWindow? window = null;
        long? found = null;
        IOException? failure = null;
        try
        {
            if (_seekTimestamp is { } timestamp)
            {
                found = queue.Log.FindOffset(timestamp);
            }
            else
            {
                window = queue.Log.LoadWindow(_loadOffset);
            }
        }
        catch (IOException e)
        {
            failure = e;
        }

        lock (queue.Gate)
        {
            _loading = false;
            if (_ended)
            {
                window?.Dispose();
                reader.Dispose();
                return;
            }

            if (failure is not null)
            {
                Fail(failure);
                return;
            }

            if (found is { } offset)
            {
                _seekTimestamp = null;
                _from = offset;
                reader.Seek(offset);
            }

            if (window is not null)
            {
                reader.Attach(window);
            }

            Serve();
        }
    }

    private void Fail(IOException error)
    {
        _failed = true;
        queue.Host.Logger.LogError(error, "Stream '{Queue}' in virtual host '{Host}' stopped serving consumer '{Consumer}': a part of its log cannot be read. Stop the broker and run 'sluice verify' on its data directory", queue.Name, queue.Host.Name, consumer.Tag);
    }

    private void Load(long offset)
    {
        if (!_loading)
        {
            _loading = true;
            _loadOffset = offset;
            queue.Host.Scheduler.Post(this);
        }
    }
}
