/* GPU profiles. SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/backend/cuda/profile.h"

#include <string.h>

#include "src/backend/backend.h"
#include "src/escape.h"
#include "src/json.h"

#define MAX_SIZE (64u << 10)
#define MAX_VALUES 10000
#define MAX_DEPTH 4
#define MAX_TEXT 400
#define AXES 3 /* numbers in an array */

typedef enum {
  KEY_NUMBER,
  KEY_AXES, /* an array of AXES numbers */
  KEY_TEXT,
} KeyKind;

typedef struct {
  const gchar *name;
  KeyKind kind;
  gint64 min, max; /* of numbers */
} Key;

/* cuDNN's, in the order in which it writes them. */
static const Key cudnn_keys[] = {
  { "cudaDeviceId", KEY_NUMBER, 0, 255 },
  { "deviceVer", KEY_NUMBER, 750, 9990 },
  { "driverVer", KEY_NUMBER, 12000, 99990 },
  { "maxGridSize", KEY_AXES, 1, G_MAXINT32 },
  { "maxBlockSize", KEY_AXES, 1, 65536 },
  { "regsPerBlock", KEY_NUMBER, 1024, 1 << 20 },
  { "multiProcessorCount", KEY_NUMBER, 1, 4096 },
  { "warpSize", KEY_NUMBER, 32, 32 },
  { "maxSharedMemoryPerBlock", KEY_NUMBER, 1 << 10, 1 << 24 },
  { "maxSharedMemoryPerBlockOptin", KEY_NUMBER, 1 << 10, 1 << 24 },
  { "reservedSharedMemoryPerBlock", KEY_NUMBER, 0, 1 << 20 },
  { "maxRegistersPerSM", KEY_NUMBER, 1024, 1 << 20 },
  { "maxCtasPerSM", KEY_NUMBER, 1, 1024 },
  { "maxThreadsPerBlock", KEY_NUMBER, 32, 65536 },
  { "maxThreadsPerSM", KEY_NUMBER, 32, 65536 },
  { "pciDeviceId", KEY_NUMBER, 0, 65535 },
  { "isTccDriver", KEY_NUMBER, 0, 1 },
  { "supportCoopLaunch", KEY_NUMBER, 0, 1 },
  { "smClockRateKHz", KEY_NUMBER, 100000, 100000000 },
  { "memClockRateKHz", KEY_NUMBER, 100000, 100000000 },
  { "l2CacheSize", KEY_NUMBER, 1 << 16, G_MAXINT32 },
  { "totalGlobalMem", KEY_NUMBER, 1 << 28, G_GINT64_CONSTANT (1) << 44 },
  { "deviceName", KEY_TEXT },
  { "cudnnVersion", KEY_NUMBER, 90800, 999999 },
  { "schemaVersion", KEY_NUMBER, 1, 1 },
};

#define PEAK G_GINT64_CONSTANT (1000000000000000000)

/* Keys of our own section. */
static const Key own_keys[] = {
  { "memorySource", KEY_TEXT },
  { "contextBytes", KEY_NUMBER, 0, G_GINT64_CONSTANT (1) << 36 },
  { "contextSource", KEY_TEXT },
  { "bytesPerSecond", KEY_NUMBER, 1000000000, PEAK },
  { "fp32FlopsPerSecond", KEY_NUMBER, 1000000000, PEAK },
  { "tf32FlopsPerSecond", KEY_NUMBER, 0, PEAK },
  { "fp16FlopsPerSecond", KEY_NUMBER, 1000000000, PEAK },
  { "figuresSource", KEY_TEXT },
  { "linkBytesPerSecond", KEY_NUMBER, 100000000, PEAK },
  { "linkSource", KEY_TEXT },
};

#define OWN "cnn3d"

static void G_GNUC_PRINTF (3, 4)
    set_error (GError **error, const gchar *path, const gchar *format, ...)
{
  g_autofree gchar *shown = cnn3d_escape (path, FALSE), *what = NULL;
  va_list args;

  va_start (args, format);
  what = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_UNSUPPORTED, "%s: %s", shown, what);
}

/* --- duplicate keys: json-glib keeps the last, but reports each --- */

typedef struct {
  GHashTable *seen; /* "object name" */
  gchar *twice;     /* the first duplicate */
} Members;

static void
member_found (JsonParser *parser, JsonObject *object, const gchar *name, gpointer data)
{
  Members *members = data;
  gchar *key = g_strdup_printf ("%p %s", (gpointer) object, name);

  if (!g_hash_table_add (members->seen, key) && !members->twice)
    members->twice = g_strdup (name);
}

/* --- values --- */

static gboolean
check_number (const gchar *path, const Key *key, JsonNode *node, GError **error)
{
  gint64 value;

  if (!JSON_NODE_HOLDS_VALUE (node) || json_node_get_value_type (node) != G_TYPE_INT64) {
    set_error (error, path, "%s must be a whole number%s", key->name,
        key->kind == KEY_AXES ? " on each of three axes" : "");
    return FALSE;
  }
  value = json_node_get_int (node);
  if (value < key->min || value > key->max) {
    set_error (error, path,
        "%s is %" G_GINT64_FORMAT ", but must be from %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT,
        key->name, value, key->min, key->max);
    return FALSE;
  }
  return TRUE;
}

/* Texts are shown, and passed to cuDNN unchanged: printable characters only, and none that JSON
 * escapes. */
static gboolean
check_text (const gchar *path, const Key *key, JsonNode *node, GError **error)
{
  const gchar *text = NULL;

  if (JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == G_TYPE_STRING)
    text = json_node_get_string (node);
  if (!text || !*text || strlen (text) > MAX_TEXT) {
    set_error (error, path, "%s must be a text of 1 to %d bytes", key->name, MAX_TEXT);
    return FALSE;
  }
  for (const gchar *p = text; *p; p++)
    if (!g_ascii_isprint (*p) || *p == '"' || *p == '\\') {
      set_error (error, path, "%s may only have printable ASCII, without \" and \\", key->name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_value (const gchar *path, const Key *key, JsonNode *node, GError **error)
{
  JsonArray *array;

  if (key->kind == KEY_TEXT)
    return check_text (path, key, node, error);
  if (key->kind == KEY_NUMBER)
    return check_number (path, key, node, error);
  array = JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  if (!array || json_array_get_length (array) != AXES) {
    set_error (error, path, "%s must be an array of %d whole numbers", key->name, AXES);
    return FALSE;
  }
  for (guint i = 0; i < AXES; i++)
    if (!check_number (path, key, json_array_get_element (array, i), error))
      return FALSE;
  return TRUE;
}

/* Checks that all keys are present and no other, except `section`. */
static gboolean
check_object (const gchar *path, JsonObject *object, const Key *keys, guint n_keys,
    const gchar *section, GError **error)
{
  g_autoptr (GList) members = json_object_get_members (object);

  for (guint i = 0; i < n_keys; i++) {
    JsonNode *node = json_object_get_member (object, keys[i].name);

    if (!node) {
      set_error (error, path, "%s is missing", keys[i].name);
      return FALSE;
    }
    if (!check_value (path, &keys[i], node, error))
      return FALSE;
  }
  for (GList *l = members; l; l = l->next) {
    const gchar *name = l->data;
    gboolean known = section && !strcmp (name, section);

    for (guint i = 0; i < n_keys; i++)
      known |= !strcmp (name, keys[i].name);
    if (!known) {
      g_autofree gchar *shown = cnn3d_escape (name, FALSE);

      set_error (error, path, "there is no key '%.*s'", CNN3D_SHOWN (shown, strlen (shown)));
      return FALSE;
    }
  }
  return TRUE;
}

/* cuDNN's part alone, as checked. */
static gchar *
make_properties (JsonObject *object)
{
  GString *text = g_string_new ("{");

  for (guint i = 0; i < G_N_ELEMENTS (cudnn_keys); i++) {
    const Key *key = &cudnn_keys[i];

    g_string_append_printf (text, "%s\"%s\":", i ? "," : "", key->name);
    if (key->kind == KEY_TEXT) {
      g_string_append_printf (text, "\"%s\"", json_object_get_string_member (object, key->name));
    } else if (key->kind == KEY_NUMBER) {
      g_string_append_printf (
          text, "%" G_GINT64_FORMAT, json_object_get_int_member (object, key->name));
    } else {
      JsonArray *array = json_object_get_array_member (object, key->name);

      for (guint k = 0; k < AXES; k++)
        g_string_append_printf (
            text, "%s%" G_GINT64_FORMAT, k ? "," : "[", json_array_get_int_element (array, k));
      g_string_append_c (text, ']');
    }
  }
  g_string_append_c (text, '}');
  return g_string_free (text, FALSE);
}

static CudaProfile *
make_profile (JsonObject *object)
{
  JsonObject *own = json_object_get_object_member (object, OWN);
  CudaProfile *p = g_new0 (CudaProfile, 1);

  p->name = g_strdup (json_object_get_string_member (object, "deviceName"));
  p->capability = json_object_get_int_member (object, "deviceVer");
  p->multiprocessors = json_object_get_int_member (object, "multiProcessorCount");
  p->memory = json_object_get_int_member (object, "totalGlobalMem");
  p->memory_source = g_strdup (json_object_get_string_member (own, "memorySource"));
  p->context = json_object_get_int_member (own, "contextBytes");
  p->context_source = g_strdup (json_object_get_string_member (own, "contextSource"));
  p->bytes_per_second = json_object_get_int_member (own, "bytesPerSecond");
  p->fp32 = json_object_get_int_member (own, "fp32FlopsPerSecond");
  p->tf32 = json_object_get_int_member (own, "tf32FlopsPerSecond");
  p->fp16 = json_object_get_int_member (own, "fp16FlopsPerSecond");
  p->figures_source = g_strdup (json_object_get_string_member (own, "figuresSource"));
  p->link = json_object_get_int_member (own, "linkBytesPerSecond");
  p->link_source = g_strdup (json_object_get_string_member (own, "linkSource"));
  p->properties = make_properties (object);
  return p;
}

/* --- the file --- */

CudaProfile *
cuda_profile_parse (const gchar *path, const gchar *text, gsize size, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_autoptr (GError) reason = NULL;
  Members members = { seen, NULL };
  JsonNode *root, *own;
  JsonObject *object;
  gboolean ok;

  if (size > MAX_SIZE) {
    set_error (error, path, "larger than %u KiB: not a GPU's profile", MAX_SIZE >> 10);
    return NULL;
  }
  if (!g_utf8_validate (text, size, NULL)) {
    set_error (error, path, "not UTF-8 text");
    return NULL;
  }
  g_signal_connect (parser, "object-member", G_CALLBACK (member_found), &members);
  ok = cnn3d_json_load (parser, text, size, MAX_DEPTH, MAX_VALUES, &reason);
  if (members.twice) {
    g_autofree gchar *shown = cnn3d_escape (members.twice, FALSE);

    set_error (error, path, "%.*s appears twice", CNN3D_SHOWN (shown, strlen (shown)));
    g_free (members.twice);
    return NULL;
  }
  if (!ok) {
    g_autofree gchar *shown = cnn3d_escape (reason->message, FALSE);

    set_error (error, path, "%s", shown);
    return NULL;
  }
  root = json_parser_get_root (parser);
  if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
    set_error (error, path, "a GPU's profile is a JSON object");
    return NULL;
  }
  object = json_node_get_object (root);
  if (!check_object (path, object, cudnn_keys, G_N_ELEMENTS (cudnn_keys), OWN, error))
    return NULL;
  own = json_object_get_member (object, OWN);
  if (!own || !JSON_NODE_HOLDS_OBJECT (own)) {
    set_error (error, path, "the section \"" OWN "\" is missing");
    return NULL;
  }
  if (!check_object (
          path, json_node_get_object (own), own_keys, G_N_ELEMENTS (own_keys), NULL, error))
    return NULL;
  return make_profile (object);
}

CudaProfile *
cuda_profile_read (const gchar *path, GError **error)
{
  g_autoptr (GError) reason = NULL;
  g_autoptr (GMappedFile) map = g_mapped_file_new (path, FALSE, &reason);
  gsize size;

  if (!map) {
    g_autofree gchar *shown = cnn3d_escape (reason->message, FALSE);

    g_set_error (error, CNN3D_BACKEND_ERROR, CNN3D_BACKEND_ERROR_MISSING,
        "this GPU's profile cannot be read: %s", shown);
    return NULL;
  }
  size = g_mapped_file_get_length (map);
  return cuda_profile_parse (path, size ? g_mapped_file_get_contents (map) : "", size, error);
}

void
cuda_profile_free (CudaProfile **profile)
{
  CudaProfile *p = *profile;

  *profile = NULL;
  if (!p)
    return;
  g_free (p->name);
  g_free (p->memory_source);
  g_free (p->context_source);
  g_free (p->figures_source);
  g_free (p->link_source);
  g_free (p->properties);
  g_free (p);
}
