using Sluice.Protocols.Amqp091.Wire;

namespace Sluice.Protocols.Amqp091.Messages;

/// <summary>What one connection's receive loop reuses to look at messages' properties and to change copies of them. What it returns is borrowed until the next call of the same kind.</summary>
internal sealed class HeaderScratch
{
    private BasicHeaders? _headers;
    private TableBuilder? _copy;

    /// <summary>Makes changed copies of properties.</summary>
    public PropertiesEditor Editor { get; } = new();

    /// <summary>A view of a message's headers.</summary>
    public BasicHeaders Over(ReadOnlyMemory<byte> table) => (_headers ??= new BasicHeaders()).Over(table);

    /// <summary>A copy of table entries without those of one name.</summary>
    public ReadOnlySpan<byte> Without(ReadOnlySpan<byte> table, ReadOnlySpan<byte> name)
    {
        TableBuilder copy = (_copy ??= new TableBuilder()).Clear();
        var reader = new FieldTableReader(table);
        while (reader.TryRead(out ReadOnlySpan<byte> candidate, out FieldValue value))
        {
            if (!candidate.SequenceEqual(name))
            {
                copy.Add(candidate, value);
            }
        }

        return copy.Entries;
    }
}
