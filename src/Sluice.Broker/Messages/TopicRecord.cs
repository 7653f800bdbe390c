using System.Globalization;
using Sluice.Base.Binary;
using Sluice.Storage.Records;

namespace Sluice.Broker.Messages;

/// <summary>
/// A message as it goes into a topic, where log clients read it as it lies (docs/protocols/mapping.md): the broker's own record headers, which keep it whole, and after
/// them its headers and properties once more in a form that every client can read. Its key is the header x-kafka-key or else the routing key. Reused; not thread-safe.
/// </summary>
internal sealed class TopicRecord : IPropertyVisitor
{
    private byte[] _headers = new byte[256];
    private byte[] _key = [];
    private int _length;
    private int _keyLength;

    /// <summary>The header that says what the record's key is to be.</summary>
    public static ReadOnlySpan<byte> KeyHeader => "x-kafka-key"u8;

    public bool HasKey { get; private set; }

    public ReadOnlySpan<byte> Key => _key.AsSpan(0, _keyLength);

    public ReadOnlySpan<byte> Headers => _headers.AsSpan(0, _length);

    public int HeaderCount { get; private set; }

    /// <param name="message">The message.</param>
    /// <param name="own">Its record headers as <see cref="MessageRecord.WriteHeaders"/> has written them.</param>
    /// <param name="ownCount">How many these are.</param>
    /// <param name="format">Reads its properties; null: it has none.</param>
    public void Encode(in MessageToPublish message, ReadOnlySpan<byte> own, int ownCount, IPropertiesReader? format)
    {
        _length = 0;
        HeaderCount = ownCount;
        HasKey = false;
        _keyLength = 0;
        own.CopyTo(Reserve(own.Length));

        // A key by which an exchange routed says what the message is about; the name of a queue does not.
        if (!message.Exchange.IsEmpty && !message.RoutingKey.IsEmpty)
        {
            SetKey(message.RoutingKey);
        }

        format?.Visit(message.Properties, this);
    }

    void IPropertyVisitor.Property(ReadOnlySpan<byte> name, scoped in HeaderValue value) => Add("amqp."u8, name, value);

    void IPropertyVisitor.Header(ReadOnlySpan<byte> name, scoped in HeaderValue value)
    {
        if (name.SequenceEqual(KeyHeader) && value.Kind == HeaderKind.Bytes)
        {
            SetKey(value.Bytes);
        }
        else
        {
            Add(default, name, value);
        }
    }

    private void Add(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> name, scoped in HeaderValue value)
    {
        Span<byte> text = stackalloc byte[32];
        switch (value.Kind)
        {
            case HeaderKind.Bytes:
                Add(prefix, name, value.Bytes, isNull: false);
                break;
            case HeaderKind.Integer:
                value.Integer.TryFormat(text, out int digits, provider: CultureInfo.InvariantCulture);
                Add(prefix, name, text[..digits], isNull: false);
                break;
            case HeaderKind.Double:
                value.Double.TryFormat(text, out int characters, provider: CultureInfo.InvariantCulture);
                Add(prefix, name, text[..characters], isNull: false);
                break;
            case HeaderKind.Boolean:
                Add(prefix, name, value.Integer != 0 ? "true"u8 : "false"u8, isNull: false);
                break;
            case HeaderKind.Null:
                Add(prefix, name, default, isNull: true);
                break;
            case HeaderKind.Other:
                // Tables and arrays have no form that all would read: the broker's own header keeps them.
                break;
        }
    }

    private void Add(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> name, ReadOnlySpan<byte> value, bool isNull)
    {
        int nameLength = prefix.Length + name.Length;
        WriteVarint(nameLength);
        prefix.CopyTo(Reserve(prefix.Length));
        name.CopyTo(Reserve(name.Length));
        WriteVarint(isNull ? -1 : value.Length);
        value.CopyTo(Reserve(value.Length));
        HeaderCount++;
    }

    private void SetKey(ReadOnlySpan<byte> key)
    {
        if (_key.Length < key.Length)
        {
            _key = new byte[Math.Max(256, key.Length)];
        }

        key.CopyTo(_key);
        _keyLength = key.Length;
        HasKey = true;
    }

    private void WriteVarint(int value)
    {
        int size = Varint.Write(Reserve(Varint.BytesMax), value);
        _length -= Varint.BytesMax - size;
    }

    private Span<byte> Reserve(int count)
    {
        if (_headers.Length - _length < count)
        {
            Array.Resize(ref _headers, Math.Max(_headers.Length * 2, _length + count));
        }

        Span<byte> reserved = _headers.AsSpan(_length, count);
        _length += count;
        return reserved;
    }
}
