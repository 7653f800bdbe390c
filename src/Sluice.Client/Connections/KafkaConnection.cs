using System.Buffers.Binary;
using Sluice.Base.Buffers;
using Sluice.Protocols.Kafka.Wire;

namespace Sluice.Client.Connections;

/// <summary>
/// One connection to one broker. Requests are written in the order in which they are asked, and answered in that order. Once anything goes wrong
/// the connection is broken for good: all that waits fails with <see cref="KafkaErrorCode.NetworkException"/>. Thread-safe.
/// </summary>
internal sealed class KafkaConnection : IAsyncDisposable
{
    /// <summary>More requests than this on their way at once are a mistake of this client.</summary>
    private const int PendingMax = 1000;

    private const int ReadBytes = 64 << 10;

    /// <summary>A request up to this size is gathered and sent as one.</summary>
    private const int GatherBytesMax = 64 << 10;

    private static readonly TimeSpan DeadlineCheck = TimeSpan.FromSeconds(1);

    private readonly Stream _stream;
    private readonly KafkaClientOptions _options;
    private readonly BufferPool _pool;
    private readonly KafkaWriter _writer;
    private readonly SemaphoreSlim _sending = new(1);
    private readonly Lock _sync = new();
    private readonly Queue<PendingRequest> _pending = new();
    private readonly ITimer _deadlines;
    private readonly Task _reading;
    private KafkaClientException? _error;
    private int _correlationId;

    /// <param name="address">Of the broker, for messages.</param>
    /// <param name="stream">Connected; owned from now on.</param>
    /// <param name="options">Of the client.</param>
    /// <param name="pool">For frames.</param>
    public KafkaConnection(BrokerAddress address, Stream stream, KafkaClientOptions options, BufferPool pool)
    {
        Address = address;
        _stream = stream;
        _options = options;
        _pool = pool;
        _writer = new KafkaWriter(pool);
        _deadlines = options.Time.CreateTimer(static state => ((KafkaConnection)state!).CheckDeadlines(), this, DeadlineCheck, DeadlineCheck);
        _reading = ReadAsync();
    }

    public BrokerAddress Address { get; }

    /// <summary>What the broker speaks; set when it has said so, before the connection is used for anything else.</summary>
    public ApiVersionTable? Versions { get; set; }

    /// <summary>What it may mean when the broker ends the connection instead of answering; forgotten with the next answer.</summary>
    public string? Suspicion { get; set; }

    /// <summary>Requests without an answer so far.</summary>
    public int InFlight
    {
        get
        {
            lock (_sync)
            {
                return _pending.Count;
            }
        }
    }

    public bool IsBroken => Volatile.Read(ref _error) is not null;

    public short VersionOf(ApiUse use) => Versions is { } versions ? versions.VersionOf(use) : use.Max;

    /// <summary>Asks and waits for the answer.</summary>
    /// <param name="use">The API; the version is the newest that both sides speak.</param>
    /// <param name="request">Written before this method first waits.</param>
    /// <param name="extra">More time for the answer than <see cref="KafkaClientOptions.RequestTimeout"/>: what the broker itself may wait.</param>
    /// <param name="cancel">Stops waiting; the answer is then dropped when it comes.</param>
    public async Task<TResponse> AskAsync<TResponse>(ApiUse use, IKafkaMessage request, TimeSpan extra = default, CancellationToken cancel = default)
        where TResponse : IKafkaMessage, new()
    {
        Answer<TResponse> answer = await SendAsync<TResponse>(use, VersionOf(use), request, isPooled: false, extra).WaitAsync(cancel).ConfigureAwait(false);
        return answer.Message;
    }

    /// <summary>Like <see cref="AskAsync"/> in a version given; with a large answer in a pooled block, which the caller owns.</summary>
    public async Task<Answer<TResponse>> SendAsync<TResponse>(ApiUse use, short version, IKafkaMessage request, bool isPooled, TimeSpan extra = default)
        where TResponse : IKafkaMessage, new()
    {
        PendingRequest<TResponse> pending;
        await _sending.WaitAsync().ConfigureAwait(false);
        try
        {
            long deadline = _options.Time.GetTimestamp() + Ticks(_options.RequestTimeout + extra);
            pending = new PendingRequest<TResponse>(use.Api, version, ++_correlationId, deadline, isPooled);
            Encode(use.Api, version, request);
            Add(pending);
            await WriteAsync().ConfigureAwait(false);
        }
        finally
        {
            _sending.Release();
        }

        return await pending.Task.ConfigureAwait(false);
    }

    /// <summary>Sends what is not answered; done when it is handed to the operating system.</summary>
    public async Task SendOnlyAsync(ApiUse use, short version, IKafkaMessage request)
    {
        await _sending.WaitAsync().ConfigureAwait(false);
        try
        {
            ++_correlationId;
            Encode(use.Api, version, request);
            ThrowIfBroken();
            await WriteAsync().ConfigureAwait(false);
        }
        finally
        {
            _sending.Release();
        }
    }

    public async ValueTask DisposeAsync()
    {
        Break(new KafkaClientException(KafkaErrorCode.NetworkException, $"The connection to {Address} was closed."));
        await _reading.ConfigureAwait(false);
        await _sending.WaitAsync().ConfigureAwait(false);
        _writer.Dispose();
        _sending.Release();
    }

    private long Ticks(TimeSpan time) => (long)(time.TotalSeconds * _options.Time.TimestampFrequency);

    private void Encode(KafkaApi api, short version, IKafkaMessage request)
    {
        ThrowIfBroken();
        _writer.Reset();
        _writer.BeginFrame();
        new KafkaRequestHeader((short)api.Key, version, _correlationId, _options.ClientId).Write(_writer);
        request.Write(_writer, version);
        _writer.EndFrame();
    }

    private void Add(PendingRequest pending)
    {
        lock (_sync)
        {
            ThrowIfBroken();
            if (_pending.Count == PendingMax)
            {
                throw new InvalidOperationException($"More than {PendingMax} requests wait for their answers on one connection.");
            }

            _pending.Enqueue(pending);
        }
    }

    private async ValueTask WriteAsync()
    {
        try
        {
            if (_writer.TotalBytes <= GatherBytesMax)
            {
                byte[] block = _pool.Take((int)_writer.TotalBytes);
                try
                {
                    await _stream.WriteAsync(block.AsMemory(0, Gather(block))).ConfigureAwait(false);
                }
                finally
                {
                    _pool.Return(block);
                }
            }
            else
            {
                foreach (KafkaPiece piece in _writer.Pieces)
                {
                    await _stream.WriteAsync(piece.Records.IsNull ? piece.Bytes : piece.Records.Memory).ConfigureAwait(false);
                }
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or InvalidOperationException)
        {
            throw Break(Lost(error));
        }
        finally
        {
            // Lets go of the records, which are whoever's who asked.
            _writer.Reset();
        }
    }

    private int Gather(byte[] block)
    {
        int at = 0;
        foreach (KafkaPiece piece in _writer.Pieces)
        {
            ReadOnlySpan<byte> bytes = piece.Records.IsNull ? piece.Bytes.Span : piece.Records.Memory.Span;
            bytes.CopyTo(block.AsSpan(at));
            at += bytes.Length;
        }

        return at;
    }

    private async Task ReadAsync()
    {
        byte[] buffer = _pool.Take(ReadBytes);
        int start = 0;
        int end = 0;
        try
        {
            while (true)
            {
                while (end - start < sizeof(int))
                {
                    buffer.AsSpan(start, end - start).CopyTo(buffer);
                    end -= start;
                    start = 0;
                    int read = await _stream.ReadAsync(buffer.AsMemory(end)).ConfigureAwait(false);
                    if (read == 0)
                    {
                        Break(new KafkaClientException(KafkaErrorCode.NetworkException, $"The broker {Address} closed the connection{Suspected}."));
                        return;
                    }

                    end += read;
                }

                int size = BinaryPrimitives.ReadInt32BigEndian(buffer.AsSpan(start));
                start += sizeof(int);
                PendingRequest pending = TakePending(size);
                byte[] block = pending.IsPooled ? FramePool.Take(_pool, size) : new byte[size];
                int buffered = Math.Min(size, end - start);
                buffer.AsSpan(start, buffered).CopyTo(block);
                start += buffered;
                bool isTaken = false;
                try
                {
                    await _stream.ReadExactlyAsync(block.AsMemory(buffered, size - buffered)).ConfigureAwait(false);
                    Suspicion = null;
                    pending.Complete(block.AsMemory(0, size), _pool, pending.IsPooled ? block : null);
                    isTaken = true;
                }
                finally
                {
                    if (!isTaken)
                    {
                        pending.Fail(Lost(null));
                        if (pending.IsPooled)
                        {
                            FramePool.Return(_pool, block);
                        }
                    }
                }
            }
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or InvalidOperationException or KafkaParseException)
        {
            Break(Lost(error));
        }
        finally
        {
            _pool.Return(buffer);
        }
    }

    private PendingRequest TakePending(int size)
    {
        if (size < sizeof(int) || size > _options.ResponseBytesMax)
        {
            // What others begin their answers with.
            throw new KafkaParseException((uint)size switch
            {
                0x414D_5150 => "it speaks AMQP, so this is not its Kafka port",
                0x4854_5450 => "it speaks HTTP, so this is not its Kafka port",
                >= 0x1503_0000 and <= 0x1503_FFFF => "it speaks TLS on this port",
                _ => $"an answer of {size} bytes is announced; the most is {_options.ResponseBytesMax}",
            });
        }

        lock (_sync)
        {
            return _pending.TryDequeue(out PendingRequest? pending) ? pending : throw new KafkaParseException("an answer came that nobody asked for");
        }
    }

    private void CheckDeadlines()
    {
        long now = _options.Time.GetTimestamp();
        PendingRequest? late = null;
        lock (_sync)
        {
            foreach (PendingRequest pending in _pending)
            {
                if (pending.Deadline < now)
                {
                    late = pending;
                    break;
                }
            }
        }

        if (late is not null)
        {
            Break(new KafkaClientException(KafkaErrorCode.NetworkException, $"The broker {Address} did not answer {late.Api.Name} in time."));
        }
    }

    private string Suspected => Suspicion is { } suspicion ? $"; {suspicion}" : "";

    private KafkaClientException Lost(Exception? error) => new(
        KafkaErrorCode.NetworkException,
        error is KafkaParseException ? $"The broker {Address} does not speak the protocol as expected: {error.Message}." : $"The connection to {Address} broke{(error is null ? "" : $": {error.Message}")}{Suspected}",
        error);

    private KafkaClientException Break(KafkaClientException error)
    {
        PendingRequest[] failed;
        lock (_sync)
        {
            if (_error is not null)
            {
                return _error;
            }

            Volatile.Write(ref _error, error);
            failed = [.. _pending];
            _pending.Clear();
        }

        _deadlines.Dispose();
        _stream.Dispose();
        foreach (PendingRequest pending in failed)
        {
            pending.Fail(error);
        }

        return error;
    }

    private void ThrowIfBroken()
    {
        if (Volatile.Read(ref _error) is { } error)
        {
            throw new KafkaClientException(KafkaErrorCode.NetworkException, error.Message, error);
        }
    }
}
