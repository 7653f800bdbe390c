using System.Buffers.Binary;
using System.Diagnostics;
using Sluice.LoadGenerator.Client;

namespace Sluice.LoadGenerator.Workers;

/// <summary>Publishes blocks of messages as fast as the rate and the confirm window allow; one thread sends and reads confirms in turn.</summary>
internal sealed class Producer : Worker
{
    /// <summary>How often a rate-limited producer sends, in <see cref="Stopwatch"/> ticks (1 ms).</summary>
    private static readonly long RateTick = Stopwatch.Frequency / 1000;

    /// <summary>How late a send may be because of timers and threads alone (3 ms).</summary>
    private static readonly long LatenessAllowed = 3 * Stopwatch.Frequency / 1000;

    /// <summary>How often an unlimited producer without confirms looks for a word from the server.</summary>
    private static readonly long ListenEvery = Stopwatch.Frequency / 20;

    private readonly LoadRun _run;
    private readonly PublishBlock _block;
    private readonly ConfirmWindow? _confirms;
    private readonly long _count;
    private readonly double _ticksPerMessage;
    private readonly int _roomToSend;
    private readonly int _timeoutMs;
    private long _confirmed;

    public Producer(AmqpLoadOptions options, LoadRun run, AmqpClient client, int index, long count)
        : base(client, $"producer {index}")
    {
        _run = run;
        _count = count;
        _block = new PublishBlock(options, options.NameOfQueue(index % options.Queues), client.FrameBytesMax);
        _ticksPerMessage = options.Rate == 0 ? 0 : (double)Stopwatch.Frequency * options.Producers / options.Rate;
        _timeoutMs = options.Server.TimeoutMs;
        if (options.ConfirmWindow > 0)
        {
            client.SelectConfirms();
            _confirms = new ConfirmWindow(options.ConfirmWindow);

            // Without a rate, wait until a quarter of the window is free: a send per confirm would measure system calls.
            _roomToSend = options.Rate > 0 ? 1 : Math.Max(1, options.ConfirmWindow / 4);
        }
    }

    public long Confirmed => Volatile.Read(ref _confirmed);

    public long Nacked => _confirms?.Nacked ?? 0;

    public LatencyHistogram? ConfirmLatency => _confirms?.Latency;

    protected override void Run()
    {
        long start = LoadRun.Now;
        long listenAt = start;
        while (!_run.ProducersStop && Done < _count)
        {
            long now = LoadRun.Now;
            long stamp = now;
            long wait = long.MaxValue;
            long allowed = Math.Min(_block.Capacity, _count - Done);
            if (_ticksPerMessage > 0)
            {
                long dueTick = DueTick(Done + 1);
                long dueAt = start + (dueTick * RateTick);
                wait = dueAt - now;

                // A message sent later than the timer's grain explains keeps its due time as its stamp, so a stall of the broker is seen by every message it delays.
                stamp = now - dueAt > LatenessAllowed ? dueAt : now;
                allowed = wait > 0 ? 0 : Math.Clamp((long)(dueTick * RateTick / _ticksPerMessage) - Done, 1, allowed);
            }

            if (_confirms is not null && allowed > 0)
            {
                allowed = _confirms.Room >= Math.Min(_roomToSend, allowed) ? Math.Min(allowed, _confirms.Room) : 0;
                wait = long.MaxValue;
            }

            if (allowed == 0)
            {
                Listen(wait);
                continue;
            }

            Client.Send(_block.Take((int)allowed, stamp));
            _confirms?.Published((int)allowed, stamp);
            Done += allowed;
            if (_confirms is null && now >= listenAt)
            {
                listenAt = now + ListenEvery;
                Listen(0);
            }
        }

        if (_confirms is null)
        {
            Client.SetPrefetch(0); // Any answer will do: the server gives it after it has taken all that was published.
        }
        else
        {
            AwaitConfirms();
        }

        LastAt = LoadRun.Now;
    }

    /// <summary>The tick (ms since the start) at which message number <paramref name="message"/>, counted from 1, is due.</summary>
    private long DueTick(long message) => (long)Math.Ceiling(message * _ticksPerMessage / RateTick);

    private void AwaitConfirms()
    {
        long deadline = Environment.TickCount64 + _timeoutMs;
        while (_confirms is { Outstanding: > 0 })
        {
            long before = _confirms.Outstanding;
            Listen(long.MaxValue);
            if (_confirms.Outstanding != before)
            {
                deadline = Environment.TickCount64 + _timeoutMs;
            }
            else if (Environment.TickCount64 > deadline)
            {
                throw new AmqpUnreachableException($"{_confirms.Outstanding} messages were not confirmed within {_timeoutMs} ms.");
            }
        }
    }

    /// <summary>Reads what the server has to say, for at most this many ticks (or until it says something).</summary>
    private void Listen(long ticks)
    {
        if (ticks != long.MaxValue)
        {
            // Poll counts whole milliseconds; rounding up keeps it from spinning.
            long milliseconds = Math.Clamp((ticks + RateTick - 1) / RateTick, 0, AmqpClient.TickMs);
            if (!Client.Poll((int)milliseconds * 1000))
            {
                return;
            }
        }

        if (!Client.Fill())
        {
            return;
        }

        long now = LoadRun.Now;
        while (Client.TryReadFrame(out byte type, out _, out ReadOnlySpan<byte> payload))
        {
            if (type != AmqpFrames.Method)
            {
                continue;
            }

            uint method = BinaryPrimitives.ReadUInt32BigEndian(payload);
            if (_confirms is not null && method is AmqpMethods.BasicAck or AmqpMethods.BasicNack)
            {
                FieldReader fields = new(payload[4..]);
                _confirms!.Settle((long)fields.LongLong(), (fields.Octet() & 1) != 0, method == AmqpMethods.BasicAck, now, _run.MeasureSince);
            }
            else
            {
                Client.HandleUnasked(method, payload[4..]);
            }
        }

        if (_confirms is not null)
        {
            Volatile.Write(ref _confirmed, _confirms.Confirmed);
        }
    }
}
