using System.Text;
using Sluice.Broker.Definitions;
using Sluice.Broker.Exchanges;
using Sluice.Broker.Messages;

namespace Sluice.Broker.Tests.Exchanges;

internal sealed class FakeQueue(string name) : IDestination
{
    public string Name => name;
}

internal sealed class FakeHeaders(params (string Name, object? Value)[] headers) : IMessageHeaders
{
    public int Count => headers.Length;

    public bool TryGet(ReadOnlySpan<byte> name, out HeaderValue value)
    {
        foreach ((string candidate, object? content) in headers)
        {
            if (name.SequenceEqual(Encoding.UTF8.GetBytes(candidate)))
            {
                value = content switch
                {
                    null => default,
                    bool boolean => new HeaderValue { Kind = HeaderKind.Boolean, Integer = boolean ? 1 : 0 },
                    int integer => new HeaderValue { Kind = HeaderKind.Integer, Integer = integer },
                    double real => new HeaderValue { Kind = HeaderKind.Double, Double = real },
                    string text => new HeaderValue { Kind = HeaderKind.Bytes, Bytes = Encoding.UTF8.GetBytes(text) },
                    _ => new HeaderValue { Kind = HeaderKind.Other },
                };
                return true;
            }
        }

        value = default;
        return false;
    }
}

/// <summary>Properties whose bytes are the message id.</summary>
internal sealed class FakePropertiesReader : IPropertiesReader
{
    public PropertiesFormat Format => PropertiesFormat.Amqp091;

    public FakeHeaders? Headers { get; init; }

    public IMessageHeaders? ReadHeaders(ReadOnlyMemory<byte> properties) => Headers;

    public IReadOnlyList<byte[]>? ReadExtraRoutingKeys(ReadOnlyMemory<byte> properties) => null;

    public byte ReadPriority(ReadOnlyMemory<byte> properties) => 0;

    public bool TryReadProperty(ReadOnlySpan<byte> properties, MessageProperty property, out HeaderValue value)
    {
        value = new HeaderValue { Kind = HeaderKind.Bytes, Bytes = properties };
        return property == MessageProperty.MessageId;
    }

    public void Visit(ReadOnlySpan<byte> properties, IPropertyVisitor visitor)
    {
    }
}

internal static class RouterExtensions
{
    public static Binding Bind(this ExchangeRouter router, IDestination destination, string key = "", params (string Name, object? Value)[] arguments)
    {
        var binding = new Binding(destination, key, Args(arguments));
        Assert.True(router.Add(binding));
        return binding;
    }

    public static string RouteNames(this ExchangeRouter router, string key, IMessageHeaders? headers = null)
    {
        var result = new DestinationSet();
        router.Route(new RoutingInput { RoutingKey = Encoding.UTF8.GetBytes(key), Headers = headers }, result);
        return Names(result);
    }

    public static string Names(DestinationSet set) => string.Join(",", set.Items.ToArray().Select(item => item.Name).Order(StringComparer.Ordinal));

    public static Arguments Args(params (string Name, object? Value)[] arguments) =>
        new(arguments.ToDictionary(argument => argument.Name, argument => argument.Value));
}
