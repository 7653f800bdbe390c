using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Sluice.Commands.Client;

/// <summary>Speaks to a broker's management API.</summary>
internal sealed class AdminClient : IDisposable
{
    private const string RemarkHeader = "Sluice-Remark";

    private readonly HttpClient _http;
    private readonly string _address;
    private readonly Action<string> _remarked;

    /// <param name="host">Where it is.</param>
    /// <param name="port">Of the management API.</param>
    /// <param name="user">Who asks.</param>
    /// <param name="password">The password of that user.</param>
    /// <param name="remarked">Told what the broker has to say beside its answer.</param>
    public AdminClient(string host, int port, string user, string password, Action<string> remarked)
    {
        _remarked = remarked;
        _address = $"http://{(host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host)}:{port}";
        _http = new HttpClient { BaseAddress = new Uri(_address), Timeout = TimeSpan.FromMinutes(5) };
        _http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Basic", Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}")));
    }

    /// <summary>A path of names, each escaped: "/" is %2F.</summary>
    public static string Path(params ReadOnlySpan<string> segments)
    {
        StringBuilder path = new("/api");
        foreach (string segment in segments)
        {
            path.Append('/').Append(Uri.EscapeDataString(segment));
        }

        return path.ToString();
    }

    public Task<JsonNode> GetAsync(string path, CancellationToken cancel) => SendAsync(HttpMethod.Get, path, null, cancel);

    /// <summary>Null when there is no such thing.</summary>
    public async Task<JsonNode?> FindAsync(string path, CancellationToken cancel)
    {
        using HttpResponseMessage answer = await AnswerAsync(HttpMethod.Get, path, null, cancel).ConfigureAwait(false);
        return answer.StatusCode == HttpStatusCode.NotFound ? null : await ReadAsync(answer, cancel).ConfigureAwait(false);
    }

    /// <summary>True when it was new.</summary>
    public async Task<bool> PutAsync(string path, JsonObject body, CancellationToken cancel)
    {
        using HttpResponseMessage answer = await AnswerAsync(HttpMethod.Put, path, body, cancel).ConfigureAwait(false);
        await ReadAsync(answer, cancel).ConfigureAwait(false);
        return answer.StatusCode == HttpStatusCode.Created;
    }

    public Task<JsonNode> PostAsync(string path, JsonNode body, CancellationToken cancel) => SendAsync(HttpMethod.Post, path, body, cancel);

    public Task<JsonNode> DeleteAsync(string path, CancellationToken cancel) => SendAsync(HttpMethod.Delete, path, null, cancel);

    public void Dispose() => _http.Dispose();

    private async Task<JsonNode> SendAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancel)
    {
        using HttpResponseMessage answer = await AnswerAsync(method, path, body, cancel).ConfigureAwait(false);
        return await ReadAsync(answer, cancel).ConfigureAwait(false);
    }

    private async Task<HttpResponseMessage> AnswerAsync(HttpMethod method, string path, JsonNode? body, CancellationToken cancel)
    {
        using HttpRequestMessage request = new(method, path);
        if (body is not null)
        {
            request.Content = new StringContent(body.ToJsonString(), Encoding.UTF8, "application/json");
        }

        try
        {
            HttpResponseMessage answer = await _http.SendAsync(request, cancel).ConfigureAwait(false);
            foreach (string remark in answer.Headers.TryGetValues(RemarkHeader, out IEnumerable<string>? remarks) ? remarks : [])
            {
                _remarked(Uri.UnescapeDataString(remark));
            }

            return answer;
        }
        catch (HttpRequestException error) when (error.InnerException is SocketException)
        {
            throw new CommandException($"No broker answers at {_address} ({error.Message.TrimEnd('.')}). Start one with 'sluice serve', or say where it is with --host and --admin-port.");
        }
        catch (HttpRequestException error)
        {
            throw new CommandException($"What answers at {_address} is not a broker's management API: {error.Message.TrimEnd('.')}. Say where it is with --host and --admin-port.");
        }
    }

    private static async Task<JsonNode> ReadAsync(HttpResponseMessage answer, CancellationToken cancel)
    {
        string text = await answer.Content.ReadAsStringAsync(cancel).ConfigureAwait(false);
        JsonNode? json = Parse(text);
        if (answer.IsSuccessStatusCode)
        {
            return json ?? new JsonObject();
        }

        // Some of the broker's reasons are sentences, some are not.
        string reason = json?["reason"]?.ToString().TrimEnd('.') ?? $"the broker answered {(int)answer.StatusCode} {answer.ReasonPhrase}";
        throw new CommandException($"{reason}.{Hint(answer.StatusCode, reason)}");
    }

    private static string Hint(HttpStatusCode status, string reason)
    {
        if (status == HttpStatusCode.Unauthorized && reason.Contains("ogin", StringComparison.Ordinal))
        {
            return " Log in as another user with --user and --password, which are your own; the password of a user that is made or changed is --new-password.";
        }

        return reason.Contains("invalid arg ", StringComparison.Ordinal) ? " Arguments are given as --argument key=value, for example --argument x-max-length=1000; numbers and true or false are taken as such, all else as text."
            : status != HttpStatusCode.NotFound ? ""
            : reason.StartsWith("no queue ", StringComparison.Ordinal) ? " 'sluice queue list' shows those there are; 'sluice queue declare' makes a queue, 'sluice publish --kafka' or a Kafka client a topic."
            : reason.StartsWith("no exchange ", StringComparison.Ordinal) ? " 'sluice exchange list' shows those there are; 'sluice exchange declare' makes one."
            : reason.StartsWith("there is no virtual host ", StringComparison.Ordinal) ? " 'sluice vhost list' shows those there are."
            : reason.StartsWith("there is no user ", StringComparison.Ordinal) ? " 'sluice user list' shows those there are."
            : "";
    }

    private static JsonNode? Parse(string text)
    {
        try
        {
            return text.Length == 0 ? null : JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
