// Encrypts Temporal payloads with a key ring: AES-256-GCM in the format of Temporal's encryption
// samples, with keys that rotate. Copy this file; it needs .NET 8, Temporalio and
// AWSSDK.SecretsManager:
//
//     var codec = await RingCodec.OpenAsync("secretsmanager:temporal-codec/{namespace}", "orders");
//     var client = await TemporalClient.ConnectAsync(
//         new("localhost:7233") { Namespace = "orders", DataConverter = codec.DataConverter });

using System.IO.Compression;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Amazon.SecretsManager;
using Amazon.SecretsManager.Model;
using Google.Protobuf;
using Temporalio.Api.Common.V1;
using Temporalio.Converters;
using Temporalio.Exceptions;

namespace TemporalCodec;

/// <summary>
/// Encrypts every payload with the active key, and decrypts with the key that a payload names.
/// </summary>
public sealed class RingCodec : IPayloadCodec
{
    private const int KeyBytes = 32;
    private const int NonceBytes = 12;
    private const int TagBytes = 16;
    private const int MaxRingBytes = 65_536;
    private const int MaxInflated = 4_000_000;
    private const int MaxLayers = 4;

    private static readonly ByteString Encrypted = ByteString.CopyFromUtf8("binary/encrypted");
    private static readonly ByteString Compressed = ByteString.CopyFromUtf8("binary/zlib");

    private readonly Source source;
    private readonly TimeProvider clock;

    private RingCodec(Source source, TimeProvider clock) => (this.source, this.clock) = (source, clock);

    /// <summary>
    /// Gets what to give to clients: it encrypts the messages and stack traces of failures, too.
    /// </summary>
    public DataConverter DataConverter =>
        DataConverter.Default with
        {
            PayloadCodec = this,
            FailureConverter = new DefaultFailureConverter.WithEncodedCommonAttributes(),
        };

    /// <summary>
    /// Fetches the ring and keeps it fresh. The URI is secretsmanager:NAME or file:PATH, where
    /// {namespace} stands for the namespace.
    /// </summary>
    public static Task<RingCodec> OpenAsync(string uri, string ns)
    {
        var parts = uri.Split(':', 2);
        var name = parts[^1].Replace("{namespace}", PlaceName(ns), StringComparison.Ordinal);
        return parts[0] switch
        {
            "file" when parts.Length == 2 => WithAsync(stop => File.ReadAllTextAsync(name, stop), ns),
            "secretsmanager" when parts.Length == 2 => WithAsync(FromSecretsManager(name), ns),
            _ => throw new ArgumentException("a key ring's URI must be secretsmanager:NAME or file:PATH"),
        };
    }

    /// <summary>OpenAsync with a source and a clock of your own.</summary>
    public static async Task<RingCodec> WithAsync(
        Func<CancellationToken, Task<string>> fetch, string ns, TimeProvider? clock = null)
    {
        var source = new Source(fetch, ns, clock ?? TimeProvider.System);
        await source.CurrentAsync();
        source.KeepFresh();
        return new RingCodec(source, clock ?? TimeProvider.System);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyCollection<Payload>> EncodeAsync(IReadOnlyCollection<Payload> payloads)
    {
        var key = (await source.CurrentAsync()).Sealing(clock.GetUtcNow());
        return payloads.Select(key.Seal).ToList();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyCollection<Payload>> DecodeAsync(IReadOnlyCollection<Payload> payloads)
    {
        var opened = new List<Payload>(payloads.Count);
        foreach (var payload in payloads)
        {
            opened.Add(await OpenedAsync(payload));
        }
        return opened;
    }

    /// <summary>The key of one namespace.</summary>
    internal static byte[] Derived(byte[] secret, string id, string ns)
    {
        var info = Encoding.UTF8.GetBytes($"temporal-codec/derive/v1\0{id}\0{ns}");
        return HKDF.DeriveKey(HashAlgorithmName.SHA256, secret, KeyBytes, info: info);
    }

    /// <summary>The form of a namespace in the name of a file or a secret.</summary>
    internal static string PlaceName(string ns)
    {
        if (Regex.IsMatch(ns, @"\A[A-Za-z0-9_][A-Za-z0-9._-]{0,254}\z"))
        {
            return ns;
        }
        var bytes = Encoding.UTF8.GetBytes(ns);
        var escaped = Regex.Replace(
            Encoding.Latin1.GetString(bytes), @"\A[.-]|[^A-Za-z0-9._-]", found => $"={(int)found.Value[0]:X2}");
        return escaped.Length <= 200
            ? escaped
            : "=sha256=" + Convert.ToHexString(SHA256.HashData(bytes)).ToLowerInvariant();
    }

    private static Func<CancellationToken, Task<string>> FromSecretsManager(string name)
    {
        // Credentials and region are those of AWS's SDK.
        var client = new AmazonSecretsManagerClient();
        return async stop =>
        {
            var request = new GetSecretValueRequest { SecretId = name, VersionStage = "AWSCURRENT" };
            return (await client.GetSecretValueAsync(request, stop)).SecretString;
        };
    }

    private async Task<Payload> OpenedAsync(Payload payload)
    {
        for (var layer = 0; layer < MaxLayers; layer++)
        {
            payload.Metadata.TryGetValue("encoding", out var encoding);
            if (Encrypted.Equals(encoding))
            {
                if (payload.Metadata.ContainsKey("encryption-dek")
                    || payload.Metadata.ContainsKey("encrypted-data-key"))
                {
                    return payload; // another system's format
                }
                payload.Metadata.TryGetValue("encryption-key-id", out var id);
                var key = await source.OpeningAsync(id?.ToStringUtf8() ?? string.Empty);
                payload = Parsed(key.Open(payload.Data.Span));
            }
            else if (Compressed.Equals(encoding))
            {
                payload = Parsed(Inflated(payload.Data.ToByteArray()));
            }
            else
            {
                return payload;
            }
        }
        return payload;
    }

    private static Payload Parsed(byte[] plain)
    {
        try
        {
            return Payload.Parser.ParseFrom(plain);
        }
        catch (InvalidProtocolBufferException)
        {
            throw Never("it does not contain a payload");
        }
    }

    private static byte[] Inflated(byte[] data)
    {
        try
        {
            using var reader = new ZLibStream(new MemoryStream(data), CompressionMode.Decompress);
            var plain = new byte[MaxInflated + 1];
            var size = reader.ReadAtLeast(plain, plain.Length, throwOnEndOfStream: false);
            return size <= MaxInflated ? plain[..size] : throw Never("its compressed data is too large");
        }
        catch (InvalidDataException)
        {
            throw Never("its compressed data is invalid");
        }
    }

    /// <summary>A payload that can never be opened: activities are not retried on it.</summary>
    private static ApplicationFailureException Never(string reason) =>
        new($"cannot decrypt a payload: {reason}", errorType: "PayloadError", nonRetryable: true);

    /// <summary>The keys cannot be fetched now. A later attempt can succeed.</summary>
    private static ApplicationFailureException Unavailable(string? cause) =>
        new($"no key ring: {cause ?? "a fetch is running"}", errorType: "KeyringUnavailable");

    /// <summary>The ring and its life: fresh, stale, last good.</summary>
    private sealed class Source(
        Func<CancellationToken, Task<string>> fetch, string ns, TimeProvider clock)
    {
        private static readonly TimeSpan Fresh = TimeSpan.FromMinutes(5);
        private static readonly TimeSpan Cooldown = TimeSpan.FromSeconds(30);
        private static readonly TimeSpan LastGood = TimeSpan.FromHours(24);
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

        private readonly object state = new();
        private Ring? held;
        private DateTimeOffset heldAt = DateTimeOffset.MinValue;
        private DateTimeOffset tried = DateTimeOffset.MinValue; // the end of the latest fetch
        private string? failed; // how it ended
        private Task? flight; // the running fetch
        private Timer? timer;

        /// <summary>The ring; nobody waits for it if one is held.</summary>
        public async Task<Ring> CurrentAsync()
        {
            if (Usable() is { } now)
            {
                RefreshIfDue();
                return now;
            }
            if (failed is null || Age(tried) >= Cooldown)
            {
                await Refresh();
            }
            return Usable() ?? throw Unavailable(failed);
        }

        /// <summary>
        /// The key of an id. An unknown id fetches the ring, but not soon after another try.
        /// </summary>
        public async Task<Key> OpeningAsync(string id)
        {
            if ((await CurrentAsync()).Keys.TryGetValue(id, out var key))
            {
                return key;
            }
            if (Age(tried) >= Cooldown)
            {
                await Refresh();
            }
            if (held!.Keys.TryGetValue(id, out key))
            {
                return key;
            }
            throw failed is null ? Never("the key ring has no key of its id") : Unavailable(failed);
        }

        public void KeepFresh() =>
            timer ??= new Timer(
                _ => RefreshIfDue(), null, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));

        private void RefreshIfDue()
        {
            if (Age(tried) >= (failed is null ? Fresh : Cooldown))
            {
                _ = Refresh();
            }
        }

        private Ring? Usable()
        {
            lock (state)
            {
                return held is not null && Age(heldAt) < LastGood ? held : null;
            }
        }

        private TimeSpan Age(DateTimeOffset then)
        {
            var age = clock.GetUtcNow() - then;
            return age < TimeSpan.Zero ? Fresh : age; // negative: the clock was set back
        }

        private Task Refresh()
        {
            lock (state)
            {
                return flight ??= Task.Run(FetchAsync);
            }
        }

        private async Task FetchAsync()
        {
            Ring? fetched = null;
            string? cause = null;
            try
            {
                using var late = new CancellationTokenSource(Patience);
                fetched = new Ring(await fetch(late.Token).WaitAsync(Patience), ns);
                fetched.Sealing(clock.GetUtcNow());
            }
            catch (Exception error)
            {
                cause = error.Message;
            }
            lock (state)
            {
                (tried, failed, flight) = (clock.GetUtcNow(), cause, null);
                if (cause is null)
                {
                    (held, heldAt) = (fetched, tried);
                }
            }
        }
    }

    private sealed class Ring
    {
        private readonly List<Key> inOrder = [];

        public Ring(string json, string ns)
        {
            var seen = new HashSet<string>();
            foreach (var entry in Entries(json))
            {
                var key = new Key(entry, ns);
                if (!seen.Add(key.Id))
                {
                    throw new InvalidDataException("two keys have the same id");
                }
                if (!key.Disabled)
                {
                    Keys[key.Id] = key;
                    inOrder.Add(key);
                }
            }
        }

        public Dictionary<string, Key> Keys { get; } = [];

        /// <summary>The key whose activation date is the latest that is past.</summary>
        public Key Sealing(DateTimeOffset now) =>
            inOrder.Where(key => key.Active <= now).MaxBy(key => key.Active)
                ?? throw Unavailable("the ring has no active key");

        private static IEnumerable<JsonElement> Entries(string json)
        {
            try
            {
                if (Encoding.UTF8.GetByteCount(json) <= MaxRingBytes)
                {
                    var keys = JsonDocument.Parse(json).RootElement.GetProperty("keys");
                    return keys.EnumerateArray().ToList();
                }
            }
            catch (Exception error)
                when (error is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                // Its message would quote the text.
            }
            throw new InvalidDataException("the text is not a key ring");
        }
    }

    private sealed class Key
    {
        private readonly byte[] secret;

        /// <summary>Takes what a ring says of a key; other members are ignored.</summary>
        public Key(JsonElement entry, string ns)
        {
            Id = Text(entry, "id");
            if (Id.EnumerateRunes().Count() > 255 || Id.Any(char.IsControl))
            {
                throw new InvalidDataException(
                    "an id must have at most 255 characters, and no control characters");
            }
            secret = Bytes(Text(entry, "key"));
            Active = Date(Text(entry, "activation_date"));
            Disabled = entry.TryGetProperty("disabled", out var off) && off.GetBoolean();
            if (entry.TryGetProperty("derive", out var derive) && derive.ValueKind != JsonValueKind.Null)
            {
                if (derive.GetString() != "namespace")
                {
                    throw new InvalidDataException("derive must be namespace");
                }
                secret = Derived(secret, Id, ns);
            }
        }

        public string Id { get; }

        public DateTimeOffset Active { get; }

        public bool Disabled { get; }

        public Payload Seal(Payload payload)
        {
            var plain = payload.ToByteArray();
            var data = new byte[NonceBytes + plain.Length + TagBytes];
            RandomNumberGenerator.Fill(data.AsSpan(0, NonceBytes));
            using var aes = new AesGcm(secret, TagBytes);
            aes.Encrypt(
                data.AsSpan(0, NonceBytes), plain, data.AsSpan(NonceBytes, plain.Length), data.AsSpan(^TagBytes..));
            var made = new Payload { Data = ByteString.CopyFrom(data) };
            made.Metadata["encoding"] = Encrypted;
            made.Metadata["encryption-key-id"] = ByteString.CopyFromUtf8(Id);
            made.ExternalPayloads.Add(payload.ExternalPayloads);
            return made;
        }

        public byte[] Open(ReadOnlySpan<byte> data)
        {
            if (data.Length < NonceBytes + TagBytes)
            {
                throw Never("it is too short");
            }
            var plain = new byte[data.Length - NonceBytes - TagBytes];
            using var aes = new AesGcm(secret, TagBytes);
            try
            {
                aes.Decrypt(data[..NonceBytes], data[NonceBytes..^TagBytes], data[^TagBytes..], plain);
                return plain;
            }
            catch (CryptographicException)
            {
                throw Never("it was changed, or encrypted with another key of this id");
            }
        }

        private static string Text(JsonElement entry, string name) =>
            entry.TryGetProperty(name, out var found) && found.ValueKind == JsonValueKind.String
                ? found.GetString()!
                : throw new InvalidDataException($"{name} must be a string");

        private static byte[] Bytes(string text)
        {
            var bytes = new byte[KeyBytes];
            return Convert.TryFromBase64String(text, bytes, out var size)
                && size == KeyBytes
                && Convert.ToBase64String(bytes) == text
                    ? bytes
                    : throw new InvalidDataException("a key must have 32 bytes in base64");
        }

        private static DateTimeOffset Date(string text) =>
            Regex.IsMatch(text, @"T.*(Z|[+-]\d\d:\d\d)\z") && DateTimeOffset.TryParse(
                text, System.Globalization.CultureInfo.InvariantCulture, out var date)
                    ? date
                    : throw new InvalidDataException(
                        "an activation_date must look like 2026-11-23T00:00:00Z");
    }
}
