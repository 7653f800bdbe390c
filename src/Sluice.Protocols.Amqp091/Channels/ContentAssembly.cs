using System.Buffers;
using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Channels;

/// <summary>What a channel's next frame must be.</summary>
internal enum ContentState : byte
{
    /// <summary>A method.</summary>
    Method,

    /// <summary>The content header of a publish.</summary>
    Header,

    /// <summary>The rest of its body.</summary>
    Body,
}

/// <summary>
/// A publish whose frames did not arrive together: method arguments and properties are copied, the body gathers in a pooled buffer that
/// grows with what really arrives. Owned by the receive loop; the pooled buffer goes back at <see cref="Reset"/>.
/// </summary>
internal sealed class ContentAssembly(ContentBudget budget)
{
    private byte[] _method = [];
    private int _methodLength;
    private byte[] _properties = [];
    private int _propertiesLength;
    private byte[] _body = [];

    public ContentState State { get; private set; }

    /// <summary>Bytes of the body that were announced.</summary>
    public int BodySize { get; private set; }

    /// <summary>Bytes of the body received so far.</summary>
    public int BodyLength { get; private set; }

    /// <summary>The method's arguments, to be read again. Borrowed until the next change.</summary>
    public ReadOnlySpan<byte> Method => _method.AsSpan(0, _methodLength);

    public ReadOnlyMemory<byte> Properties => _properties.AsMemory(0, _propertiesLength);

    public ReadOnlySpan<byte> Body => _body.AsSpan(0, BodyLength);

    /// <summary>A basic.publish came without its content.</summary>
    public void Begin(ReadOnlySpan<byte> arguments)
    {
        Copy(arguments, ref _method, out _methodLength);
        State = ContentState.Header;
    }

    /// <summary>The content header came; returns true if the message is complete (no body).</summary>
    public bool SetHeader(in ContentHeader header)
    {
        Copy(header.Properties, ref _properties, out _propertiesLength);
        BodySize = (int)header.BodySize;
        BodyLength = 0;
        State = ContentState.Body;
        return BodySize == 0;
    }

    /// <summary>A body frame came; returns true if the message is complete.</summary>
    public bool Append(ReadOnlySpan<byte> part)
    {
        if (part.Length > BodySize - BodyLength)
        {
            throw new AmqpException(ReplyCode.FrameError, "content body frame exceeds remaining content size");
        }

        budget.Take(part.Length);
        int needed = BodyLength + part.Length;
        if (needed > _body.Length)
        {
            Grow(needed);
        }

        part.CopyTo(_body.AsSpan(BodyLength));
        BodyLength = needed;
        return BodyLength == BodySize;
    }

    /// <summary>Forgets the message and returns its buffer.</summary>
    public void Reset()
    {
        State = ContentState.Method;
        budget.Return(BodyLength);
        BodyLength = 0;
        if (_body.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_body);
            _body = [];
        }
    }

    private void Grow(int needed)
    {
        int size = Math.Min(BodySize, Math.Max(Math.Max(needed, Amqp091Limits.BodyBufferInitial), (int)Math.Min(int.MaxValue, _body.Length * 2L)));
        byte[] larger = ArrayPool<byte>.Shared.Rent(size);
        _body.AsSpan(0, BodyLength).CopyTo(larger);
        if (_body.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_body);
        }

        _body = larger;
    }

    private static void Copy(ReadOnlySpan<byte> from, ref byte[] to, out int length)
    {
        if (to.Length < from.Length)
        {
            to = new byte[Math.Max(64, from.Length)];
        }

        from.CopyTo(to);
        length = from.Length;
    }
}

/// <summary>How many bytes of incomplete bodies one connection may hold, all its channels together.</summary>
internal sealed class ContentBudget(long bytesMax)
{
    private long _used;

    /// <exception cref="AmqpException">506: the channels together hold too much.</exception>
    public void Take(int bytes)
    {
        if (_used + bytes > bytesMax)
        {
            throw new AmqpException(ReplyCode.ResourceError, $"incomplete messages on the connection's channels hold more than {bytesMax} bytes: send one large message at a time");
        }

        _used += bytes;
    }

    public void Return(int bytes) => _used -= bytes;
}
