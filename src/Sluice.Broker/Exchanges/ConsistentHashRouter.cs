using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Messages;

namespace Sluice.Broker.Exchanges;

/// <summary>
/// x-consistent-hash: each message goes to one destination, chosen by a hash of its routing key, of a header (hash-header)
/// or of a property (hash-property). A binding's routing key is its weight. Each unit of weight puts
/// <see cref="PointsPerWeight"/> points on a ring of 64-bit hashes; a message goes to the next point. A binding that comes or goes
/// moves only the share of messages that it takes or leaves. Hashes are fixed for ever, so a restart or upgrade moves nothing.
/// The ring is an immutable snapshot that each change replaces.
/// </summary>
public sealed class ConsistentHashRouter : ExchangeRouter
{
    public const int WeightMax = 1000;

    /// <summary>More points spread the load more evenly: shares of destinations with weight 1 differ by about 6 %.</summary>
    internal const int PointsPerWeight = 256;

    private readonly byte[]? _header;
    private readonly MessageProperty? _property;
    private readonly Dictionary<IDestination, int> _weights = new(ReferenceEqualityComparer.Instance);
    private volatile Ring _ring = new([], []);

    /// <param name="arguments">The exchange's arguments, already checked.</param>
    public ConsistentHashRouter(Arguments arguments)
    {
        _header = arguments["hash-header"] is string header ? Encoding.UTF8.GetBytes(header) : null;
        _property = ParseProperty(arguments["hash-property"] as string);
    }

    public override bool RoutesByKey => false;

    /// <summary>Parses a binding's weight: a whole number from 1 to <see cref="WeightMax"/>.</summary>
    public static bool TryParseWeight(string routingKey, out int weight) =>
        int.TryParse(routingKey, NumberStyles.None, CultureInfo.InvariantCulture, out weight) && weight is >= 1 and <= WeightMax;

    public static MessageProperty? ParseProperty(string? name) => name switch
    {
        "message_id" => MessageProperty.MessageId,
        "correlation_id" => MessageProperty.CorrelationId,
        "timestamp" => MessageProperty.Timestamp,
        "app_id" => MessageProperty.AppId,
        _ => null,
    };

    public override void Route(in RoutingInput input, DestinationSet result)
    {
        Ring ring = _ring;
        if (ring.Points.Length == 0)
        {
            return;
        }

        int at = ring.Points.AsSpan().BinarySearch(HashOf(input));
        at = at < 0 ? ~at : at;
        result.Add(ring.Owners[at == ring.Points.Length ? 0 : at]);
    }

    protected override void Attach(Binding binding) => AddWeight(binding, 1);

    protected override void Detach(Binding binding) => AddWeight(binding, -1);

    private ulong HashOf(in RoutingInput input)
    {
        HeaderValue value = default;
        if (_header is not null)
        {
            // A message without the header hashes as one with an empty one: all such go to the same destination.
            input.Headers?.TryGet(_header, out value);
        }
        else if (_property is { } property)
        {
            input.PropertiesReader?.TryReadProperty(input.Properties, property, out value);
        }
        else
        {
            return Hash(input.RoutingKey);
        }

        if (value.Kind is HeaderKind.Integer or HeaderKind.Boolean or HeaderKind.Double)
        {
            Span<byte> number = stackalloc byte[sizeof(long)];
            BinaryPrimitives.WriteInt64LittleEndian(number, value.Kind == HeaderKind.Double ? BitConverter.DoubleToInt64Bits(value.Double) : value.Integer);
            return Hash(number);
        }

        return Hash(value.Bytes);
    }

    private void AddWeight(Binding binding, int sign)
    {
        if (!TryParseWeight(binding.RoutingKey, out int weight))
        {
            throw new ArgumentException($"'{binding.RoutingKey}' is no weight of a consistent hash binding; it must be checked before.", nameof(binding));
        }

        IDestination destination = binding.Destination;
        int total = _weights.GetValueOrDefault(destination) + (sign * weight);
        if (total == 0)
        {
            _weights.Remove(destination);
        }
        else
        {
            _weights[destination] = total;
        }

        _ring = _ring.Replace(destination, PointsOf(destination, total));
    }

    private static ulong[] PointsOf(IDestination destination, int weight)
    {
        byte[] seed = [.. Encoding.UTF8.GetBytes(destination.Name), (byte)(destination is Exchange ? 'e' : 'q'), 0, 0, 0, 0];
        var points = new ulong[weight * PointsPerWeight];
        for (int i = 0; i < points.Length; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(seed.AsSpan(seed.Length - sizeof(int)), i);
            points[i] = Hash(seed);
        }

        Array.Sort(points);
        return points;
    }

    /// <summary>FNV-1a of 64 bits, finished with the mixer of SplitMix64 so that near keys land far apart. Never changes.</summary>
    private static ulong Hash(ReadOnlySpan<byte> bytes)
    {
        ulong hash = 0xcbf29ce484222325;
        foreach (byte value in bytes)
        {
            hash = (hash ^ value) * 0x100000001b3;
        }

        hash = (hash ^ (hash >> 30)) * 0xbf58476d1ce4e5b9;
        hash = (hash ^ (hash >> 27)) * 0x94d049bb133111eb;
        return hash ^ (hash >> 31);
    }

    private sealed record Ring(ulong[] Points, IDestination[] Owners)
    {
        /// <summary>This ring with the given sorted points as the only ones of the destination.</summary>
        public Ring Replace(IDestination destination, ulong[] added)
        {
            int others = Owners.Count(owner => !ReferenceEquals(owner, destination));
            var points = new ulong[others + added.Length];
            var owners = new IDestination[points.Length];
            int next = 0;
            int at = 0;
            for (int i = 0; i < Points.Length; i++)
            {
                if (ReferenceEquals(Owners[i], destination))
                {
                    continue;
                }

                while (next < added.Length && added[next] < Points[i])
                {
                    (points[at], owners[at++]) = (added[next++], destination);
                }

                (points[at], owners[at++]) = (Points[i], Owners[i]);
            }

            while (next < added.Length)
            {
                (points[at], owners[at++]) = (added[next++], destination);
            }

            return new Ring(points, owners);
        }
    }
}
